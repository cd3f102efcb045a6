from __future__ import annotations

import pytest

from cleaner.app import uploads
from cleaner.app.uploads import Upload, Uploads


class Heard(Uploads):
    """Remembers what it asks of the browser."""

    def __init__(self) -> None:
        self.asked = 0
        self.given: list[tuple[Upload, ...]] = []
        self.said: list[str] = []
        super().__init__(self.given.append, say=self.said.append)

    def send(self, content: object, buffers: object = None) -> None:
        self.asked += content == {"kind": "next"}

    def chosen(self, files: int, size: int) -> None:
        self._handle_custom_msg({"kind": "chosen", "files": files, "bytes": size}, [])

    def part(self, name: str, part: bytes, *, last: bool = True, end: bool = False) -> None:
        content = {"kind": "part", "name": name, "last": last, "end": end}
        self._handle_custom_msg(content, [memoryview(part)])


def test_images_come_in_parts_and_are_given_together_when_all_are_here() -> None:
    button = Heard()
    button.chosen(2, 6)
    button.part("a.png", b"ab", last=False)
    button.part("a.png", b"cd")
    assert button.said[-1] == "Taking in 2 images: 1 here …"
    assert button.given == []
    button.part("b.png", b"ef", end=True)
    assert button.given == [(("a.png", b"abcd"), ("b.png", b"ef"))]
    assert button.asked == 3


def test_a_choice_that_is_too_large_is_refused_in_a_sentence_before_it_is_sent() -> None:
    button = Heard()
    button.chosen(300, 1_200_000_000)
    assert button.said == [
        "1,200 MB are too much to send at once; choose fewer images, up to 500 MB, or give the path of their "
        "folder."
    ]
    button.part("a.png", b"ab", end=True)
    assert (button.asked, button.given) == (0, [])


def test_a_browser_that_sends_more_than_may_be_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 3)
    button = Heard()
    button.chosen(2, 2)
    button.part("a.png", b"ab")
    button.part("b.png", b"cd", end=True)
    assert button.given == []


def test_another_choice_takes_the_place_of_one_that_has_not_come_whole() -> None:
    button = Heard()
    button.chosen(2, 4)
    button.part("a.png", b"ab")
    button.chosen(1, 2)
    button.part("b.png", b"cd", end=True)
    assert button.given == [(("b.png", b"cd"),)]
