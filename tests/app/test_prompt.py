"""The line to a kernel keeps nothing back, in Jupyter's own server too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from jupyter_server.gateway.connections import GatewayWebSocketConnection
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from cleaner.app.prompt import PromptConnection, _load_jupyter_server_extension


def test_small_messages_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda _: "connected")
    line = PromptConnection.__new__(PromptConnection)
    line.websocket_handler = Mock(spec=KernelWebsocketHandler)
    assert line.connect() == "connected"
    line.websocket_handler.set_nodelay.assert_called_once_with(True)


SERVER = """
from jupyter_server.serverapp import ServerApp
server = ServerApp()
server.initialize(["--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"])
print(server.web_app.settings["kernel_websocket_connection_class"].__name__)
"""


def test_installing_the_package_is_enough_for_jupyters_server(tmp_path: Path) -> None:
    own = {f"JUPYTER_{name}_DIR": str(tmp_path) for name in ("RUNTIME", "CONFIG", "DATA")}
    environment = {**os.environ, **own}
    ended = subprocess.run(
        [sys.executable, "-c", SERVER],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "PromptConnection"


def test_a_server_that_was_given_another_line_keeps_it() -> None:
    server = Mock(spec=ServerApp, kernel_websocket_connection_class=GatewayWebSocketConnection)
    server.web_app = Mock(settings={"kernel_websocket_connection_class": GatewayWebSocketConnection})
    _load_jupyter_server_extension(server)
    assert server.kernel_websocket_connection_class is GatewayWebSocketConnection
    assert server.web_app.settings == {"kernel_websocket_connection_class": GatewayWebSocketConnection}
