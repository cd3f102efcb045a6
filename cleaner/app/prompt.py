"""The line from a browser to a kernel: what Python says is sent at once. Jupyter does the rest.

The dashboard's own server is started with it; Jupyter's loads this module as an extension, by `jupyter.json`.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """As Jupyter's own, but a small message does not wait until the browser has acknowledged the last one.

    A kernel says «busy» before every answer, and a browser's system acknowledges that up to 40 ms later: so
    late was a verdict shown as saved. Source: RFC 896 (Nagle's algorithm) and RFC 1122, 4.2.3.2 (delayed
    acknowledgements).
    """

    def connect(self) -> Any:
        """Connect as Jupyter does, on a socket that keeps nothing back."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Have a Jupyter server send at once, unless someone has chosen how it talks to kernels (a gateway)."""
    if server.kernel_websocket_connection_class is ZMQChannelsWebsocketConnection:
        server.kernel_websocket_connection_class = PromptConnection
        server.web_app.settings["kernel_websocket_connection_class"] = PromptConnection
