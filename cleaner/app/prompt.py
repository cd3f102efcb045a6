"""The dashboard's line to its kernel: what Python says is sent at once. Jupyter does the rest."""

from __future__ import annotations

from typing import Any

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
