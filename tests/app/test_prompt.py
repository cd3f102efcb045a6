"""The dashboard's line to its kernel keeps nothing back."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from cleaner.app.prompt import PromptConnection


def test_small_messages_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda _: "connected")
    line = PromptConnection.__new__(PromptConnection)
    line.websocket_handler = Mock(spec=KernelWebsocketHandler)
    assert line.connect() == "connected"
    line.websocket_handler.set_nodelay.assert_called_once_with(True)
