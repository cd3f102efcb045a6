"""What the service says when it can't answer: a status and one sentence."""

from __future__ import annotations

from starlette.responses import JSONResponse

from cleaner.errors import CleanerError


class Problem(CleanerError):
    """A request that gets no prediction: its HTTP status and the sentence for the client.

    `headers` go into the answer.
    """

    def __init__(self, status: int, sentence: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """Return it as JSON."""
        return JSONResponse({"error": str(self)}, status_code=self.status, headers=self.headers)


def busy(sentence: str) -> Problem:
    """Refuse for want of capacity; the client may try again in a second."""
    return Problem(503, sentence, headers={"Retry-After": "1"})
