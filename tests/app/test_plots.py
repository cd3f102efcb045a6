from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from cleaner.app.drawing import Scale, picture_grid, short
from cleaner.app.plots import CLASSES, confusion_plot, curves, lr_plot
from cleaner.types import Epoch

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ("</text><script>alert(1)</script>", "a'b\"c&d", "🐶" * 40, "x" * 500, "\x07\udcff\u202e")
EPOCHS = tuple(Epoch(n, 3.0 / n, 2.0 / n, 0.9 / n) for n in range(1, 6))


def _parsed(svg: str) -> ET.Element:
    """Read the SVG as a browser would that takes no faults: XML, in UTF-8."""
    return ET.fromstring(svg.encode("utf-8"))


def _words(svg: str) -> list[str]:
    return [
        node.text or node[0].tail or ""
        for node in _parsed(svg).iter(f"{SVG}text")
        if "".join(node.itertext())
    ]


def _points(svg: str) -> list[list[tuple[float, float]]]:
    lines = [line.get("points") or "" for line in _parsed(svg).iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (spot.split(",") for spot in line.split())] for line in lines]


def test_higher_losses_are_drawn_higher_and_later_epochs_further_right() -> None:
    train, valid, wrong = _points(curves(EPOCHS))
    assert len(train) == len(valid) == len(wrong) == 5
    for line in (train, valid, wrong):
        assert [x for x, _ in line] == sorted({x for x, _ in line})
        assert [y for _, y in line] == sorted({y for _, y in line})  # the y of SVG grows downwards
    assert all(t[1] < v[1] for t, v in zip(train, valid, strict=True))


def test_the_last_figures_stand_beside_the_curves_and_are_said_to_those_who_cannot_see_them() -> None:
    svg = curves(EPOCHS)
    assert {"training loss 0.600", "validation loss 0.400", "held-out error rate 18.0%"} <= set(_words(svg))
    root = _parsed(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "Losses by epoch, 1 to 5: training from 3.000 to 0.600, validation from 2.000 to 0.400; "
        "held-out error rate from 90.0% to 18.0%."
    )


@pytest.mark.parametrize(
    "epochs",
    [
        (Epoch(1, 0.5, 0.0, 0.1),),
        (Epoch(0, 0.0, 0.0, 0.0), Epoch(1, 0.0, 0.0, 0.0)),
        (Epoch(1, math.nan, math.inf, math.nan), Epoch(2, 1.0, 2.0, 0.5)),
        (Epoch(1, math.nan, math.nan, math.nan),),
        (Epoch(1, 2.0, 3e38, 0.9), Epoch(2, 2.0, 2.4, 0.9), Epoch(3, 2.0, 2.3, 0.9)),
        tuple(Epoch(n, 1 / n, 1 / n, 1 / n) for n in range(1, 1001)),
    ],
    ids=["one", "zero", "no numbers at first", "no numbers at all", "exploded", "a thousand"],
)
def test_curves_stand_up_to_any_losses(epochs: tuple[Epoch, ...]) -> None:
    for line in _points(curves(epochs)):
        assert all(0 <= x <= 640 and 0 <= y <= 208 for x, y in line)


def test_without_figures_nothing_is_drawn() -> None:
    assert curves(()) == lr_plot([], [], None) == confusion_plot(np.zeros((0, 0), dtype=int), ()) == ""
    assert lr_plot([1e-3, 1e-2], [math.nan, math.nan], 1e-3) == ""


def test_one_exploded_loss_does_not_flatten_all_others() -> None:
    epochs = (
        Epoch(1, 2.0, 2.4, 0.9),
        Epoch(2, 2.0, 5000.0, 0.9),
        *(Epoch(n, 1.0, 0.5, 0.2) for n in (3, 4, 5)),
    )
    train, valid, _ = _points(curves(epochs))
    assert valid[2][1] - train[2][1] > 5
    assert valid[1][1] == min(y for _, y in valid)


def test_the_suggested_rate_is_marked_where_it_lies_between_the_powers_of_ten() -> None:
    rates = np.geomspace(1e-6, 1, 61).tolist()
    svg = lr_plot(rates, [2.0 - 0.02 * n for n in range(61)], 1e-3)
    mark = next(p for p in _parsed(svg).iter(f"{SVG}path") if "dasharray" in (p.get("style") or ""))
    line = _points(svg)[0]
    assert float(re.match(r"M([\d.]+)", mark.get("d") or "")[1]) == pytest.approx(line[30][0], abs=0.1)
    assert "suggested: 0.001" in _words(svg)
    assert {"1e-06", "0.0001", "1"} <= set(_words(svg))
    assert "the suggestion is 0.001" in (_parsed(svg).get("aria-label") or "")
    assert "suggest" not in lr_plot(rates, [1.0] * 61, None)


def test_the_search_for_a_rate_ends_where_the_losses_break_away() -> None:
    rates = np.geomspace(1e-4, 1, 5).tolist()
    (line,) = _points(lr_plot(rates, [2.0, 1.0, 0.5, 50.0, math.inf], None))
    assert len(line) == 3
    assert line[0][1] < line[1][1] < line[2][1]


def test_every_count_of_a_confusion_matrix_stands_in_its_own_cell() -> None:
    matrix = np.array([[7, 2, 0], [0, 5, 0], [1, 0, 9]])
    svg = confusion_plot(matrix, ("ant", "bee", "cat"))
    cells = [(g[0].text, (g[1].get("x"), g[1].get("y"))) for g in _parsed(svg).iter(f"{SVG}g")]
    assert cells[1][0] == "given ant, predicted bee: 2 (22% of 9)"
    assert [said.split(": ")[1].split(" ")[0] for said, _ in cells] == [str(n) for n in matrix.flat]
    assert len({place for _, place in cells}) == 9
    assert cells[0][1][1] == cells[1][1][1]  # a row of the matrix is a row of the picture
    assert (_parsed(svg).get("aria-label") or "").endswith(
        "most often confused: ant predicted as bee, 2 times."
    )


def test_a_cell_is_deeper_the_more_of_its_row_it_holds() -> None:
    svg = confusion_plot(np.array([[90, 10], [50, 50]]), ("ant", "bee"))
    depth = [float(x) for x in re.findall(r"<rect [^>]*fill-opacity:([\d.]+)", svg)]
    assert depth[0] > depth[2] == depth[3] > depth[1] > 0.04


def test_of_many_classes_only_the_most_confused_are_drawn_and_it_says_so() -> None:
    matrix = np.diag(np.full(50, 9))
    matrix[7, 31] = 4
    svg = confusion_plot(matrix, tuple(f"class {n}" for n in range(50)))
    said = _words(svg)
    assert {"class 7", "class 31"} <= set(said)
    assert sum(word.startswith("class ") for word in said) == 2 * CLASSES
    assert "The 20 classes with the most mistakes; 30 others are left out." in said
    assert "left out" not in confusion_plot(np.diag(np.full(CLASSES, 9)), ("x",) * CLASSES)


def test_names_from_a_dataset_are_shortened_with_their_full_text_at_hand_and_never_read_as_svg() -> None:
    svg = confusion_plot(np.arange(25).reshape(5, 5), HOSTILE)
    root = _parsed(svg)
    assert {node.tag for node in root.iter()} == {SVG + t for t in ("svg", "g", "title", "rect", "text")}
    assert max(map(len, _words(svg))) <= 16
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "x" * 500 in titles
    assert HOSTILE[0] in titles
    assert "\x07" not in svg


def test_a_name_of_wide_letters_takes_no_more_room_than_one_of_narrow_letters() -> None:
    assert short("exactly sixteen.") == "exactly sixteen."
    assert short("n" * 17) == "n" * 15 + "…"
    assert short("青" * 9) == "青" * 7 + "…"


@pytest.mark.parametrize("high", [1e-9, 0.37, 1.0, 99.0, 3e38])
def test_ticks_are_few_and_lie_within_their_scale(high: float) -> None:
    ticks = Scale(0, high, 0, 100).ticks(5)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert all(0 <= tick <= high * 1.0001 for tick in ticks)
    assert Scale(1e-7, 10, 0, 100, log=True).ticks(9) == pytest.approx([10.0**n for n in range(-7, 2)])


def test_plots_need_neither_a_network_nor_a_style_sheet() -> None:
    for svg in (
        curves(EPOCHS),
        lr_plot([0.1, 1.0], [1, 2], 0.1),
        confusion_plot(np.eye(2, dtype=int), ("a", "b")),
    ):
        assert "class=" not in svg
        assert "url(" not in svg
        assert set(re.findall(r"https?://[^'\" ]+", svg)) == {"http://www.w3.org/2000/svg"}
        colors = re.findall(r"(?:fill|stroke):([^;']+)", svg)
        assert {
            c for c in colors if c != "none" and c != "currentColor" and not c.startswith("var(")
        } == set()


def test_pictures_come_with_their_lines_and_a_missing_one_leaves_a_frame() -> None:
    html = picture_grid([(b"jpeg", ("given <b>", "x'\"")), (None, ("gone",))])
    seen: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: seen.append(tag)  # type: ignore[method-assign]
    parser.feed(html)
    assert seen.count("img") == 1
    assert seen.count("figure") == 2
    assert "b" not in seen
    assert "no picture" in html
