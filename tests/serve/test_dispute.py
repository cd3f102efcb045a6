"""Somebody says what a picture really shows, and it is kept as that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cleaner.serve.classifier import Prediction
from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Colours, picture, serving, until


@dataclass
class Kept:
    """Keeps in memory what is disputed, the first class that is said of a picture, while there is room."""

    room: int = 9
    fails: bool = False
    seen: list[tuple[str | None, str]] = field(default_factory=list)
    pictures: dict[bytes, str] = field(default_factory=dict)

    def __call__(
        self, picture: bytes, prediction: Prediction, /, *, disputed: str | None = None
    ) -> Path | None:
        self.seen.append((disputed, prediction[0][0]))
        if self.fails:
            raise OSError(28, "No space left on device")
        if disputed is None or len(self.pictures) >= self.room:
            return None
        return Path("kept") / self.pictures.setdefault(picture, disputed) / "picture.png"


def test_a_disputed_picture_is_kept_as_what_somebody_says_it_is() -> None:
    keep = Kept()
    with serving(keep=keep) as running, running.client() as client:
        sent = client.post("/dispute?class=blue", content=picture("red"))
        assert (sent.status_code, sent.json()) == (200, {"kept_as": "blue"})
        form = client.post("/dispute?class=red", files={"file": ("a.png", picture("green"))})
        assert form.json() == {"kept_as": "red"}
        again = client.post("/dispute?class=green", content=picture("red"))
        assert again.json() == {"kept_as": "blue"}  # somebody has decided so before
        assert client.get("/openapi.json").json()["paths"]["/dispute"]["post"]["operationId"] == "dispute"
    assert keep.pictures == {picture("red"): "blue", picture("green"): "red"}
    assert keep.seen == [("blue", "red"), ("red", "green"), ("green", "red")]  # offered as disputed, no more


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ("?class=purple", 422, "That is no class of this model; /classes lists them."),
        ("", 400, "Say which class"),
        ("?class=red&class=blue", 400, "Say which class"),
    ],
)
def test_the_class_must_be_one_of_the_model(asked: str, status: int, sentence: str) -> None:
    keep = Kept()
    with serving(keep=keep) as running, running.client() as client:
        answer = client.post(f"/dispute{asked}", content=picture())
        assert answer.status_code == status
        assert answer.json()["error"].startswith(sentence)
    assert keep.seen == []


def test_one_picture_is_disputed_at_a_time_and_it_must_be_a_good_one() -> None:
    keep = Kept()
    with serving(keep=keep) as running, running.client() as client:
        two = [("files", (f"{colour}.png", picture(colour))) for colour in ("red", "blue")]
        answer = client.post("/dispute?class=red", files=two)
        assert answer.status_code == 400
        assert answer.json() == {"error": "Send one picture at a time, with its class."}
        assert client.post("/dispute?class=red", content=b"no picture").status_code == 415
        damaged = picture(size=(64, 64), kind="JPEG")[:400]
        assert client.post("/dispute?class=red", content=damaged).status_code == 422
        assert running.alive()
    assert [disputed for disputed, _ in keep.seen if disputed] == []


def test_a_service_that_keeps_nothing_says_so_and_does_not_offer_it() -> None:
    with serving() as running, running.client() as client:
        answer = client.post("/dispute?class=red", content=picture())
        assert answer.status_code == 403
        assert answer.json() == {"error": "Keeping pictures is switched off (--keep)."}
        assert "/dispute" not in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("keep", [Kept(room=0), Kept(fails=True)], ids=["no room", "the disk fails"])
def test_what_cannot_be_kept_is_said(keep: Kept) -> None:
    with serving(keep=keep) as running, running.client() as client:
        answer = client.post("/dispute?class=blue", content=picture())
        assert answer.status_code == 507
        assert ("log" in answer.json()["error"]) == keep.fails
        logged = [line["reason"] for line in running.lines() if line["event"] == "keep"]
        assert logged == ["No space left on device"] * keep.fails
        assert running.alive()


def test_above_capacity_a_dispute_is_refused_at_once_and_nothing_is_kept() -> None:
    model, keep = Colours(), Kept()
    with serving(Settings(limits=Limits(waiting=1, files=1)), model=model, keep=keep) as running:
        model.gate.clear()
        with ThreadPoolExecutor(1) as pool, running.client() as client, running.client() as other:
            first = pool.submit(other.post, "/dispute?class=blue", content=picture("red"))
            until(lambda: "cleaner_waiting_pictures 1.0" in client.get("/metrics").text)
            refused = client.post("/dispute?class=blue", content=picture("green"))
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            model.gate.set()
            assert first.result().json() == {"kept_as": "blue"}
    assert keep.pictures == {picture("red"): "blue"}
