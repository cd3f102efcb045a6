from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest

from cleaner.app.interpretation import interpret
from cleaner.errors import InputError, UnreadableImage
from cleaner.types import Epoch, Predictions, strings

VOCAB = ("ant", "bee", "cat", "dog")


def _predictions(
    pairs: Sequence[tuple[int, int]], *, origins: Sequence[str] | None = None, sure: float = 0.7
) -> Predictions:
    """Predictions of (given, predicted) pairs, each `sure` of its class and even about the others."""
    labels, said = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    probs = np.full((len(pairs), len(VOCAB)), (1 - sure) / 3, dtype=np.float32)
    probs[np.arange(len(pairs)), said] = sure
    return Predictions(
        ids=strings([f"{row}.png" for row in range(len(pairs))]),
        vocab=VOCAB,
        labels=labels,
        probs=probs,
        losses=-np.log(probs[np.arange(len(pairs)), labels]),
        origins=strings(origins or ["held-out"] * len(pairs)),
    )


def test_rows_of_the_confusion_matrix_are_given_labels_and_columns_predicted_ones() -> None:
    matrix = interpret(_predictions([(0, 1), (0, 1), (0, 0), (2, 0), (1, 1)])).confusion_matrix
    assert matrix.tolist() == [[1, 2, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_most_confused_names_the_direction_and_leaves_out_what_is_right_or_rare() -> None:
    seen = interpret(_predictions([(0, 1)] * 2 + [(1, 0)] * 3 + [(2, 3)] + [(0, 0)] * 9))
    assert seen.most_confused() == [("bee", "ant", 3), ("ant", "bee", 2), ("cat", "dog", 1)]
    assert seen.most_confused(min_count=2) == [("bee", "ant", 3), ("ant", "bee", 2)]
    assert seen.most_confused(min_count=4) == []
    assert interpret(_predictions([(0, 0)])).most_confused(min_count=0) == []
    assert (seen.confusion_matrix.diagonal() == [9, 0, 0, 0]).all()


def test_each_class_has_its_counts_and_one_without_images_has_no_error_rate() -> None:
    ant, bee, cat, dog = interpret(_predictions([(0, 0), (0, 1), (0, 1), (0, 0), (1, 1)])).per_class()
    assert (ant.label, ant.images, ant.predicted, ant.mistakes, ant.error_rate) == ("ant", 4, 2, 2, 0.5)
    assert (bee.images, bee.predicted, bee.mistakes, bee.error_rate) == (1, 3, 0, 0.0)
    assert (cat.images, cat.error_rate) == (dog.images, dog.error_rate) == (0, None)


def test_top_losses_come_highest_first_with_what_was_predicted_and_how_surely() -> None:
    first, second, *rest = interpret(_predictions([(0, 0), (1, 2), (3, 3)])).top_losses(2)
    assert rest == []
    assert (first.id, first.given, first.predicted) == ("1.png", "bee", "cat")
    assert first.probability == pytest.approx(0.7)
    assert first.loss == pytest.approx(-np.log(0.1))
    assert first.loss > second.loss
    assert len(interpret(_predictions([(0, 0)])).top_losses(9)) == 1


def test_images_that_were_learned_from_do_not_count_unless_they_are_asked_for() -> None:
    said = _predictions([(0, 1), (0, 0), (0, 2)], origins=["held-out", "in-sample", "out-of-fold"])
    assert interpret(said).most_confused() == [("ant", "bee", 1)]
    both = interpret(said, origins=("held-out", "out-of-fold"))
    assert both.most_confused() == [("ant", "bee", 1), ("ant", "cat", 1)]
    assert [row.id for row in both.top_losses(9)] == ["0.png", "2.png"]
    assert len(interpret(said, origins=("in-sample",))) == 1


def test_an_origin_that_no_image_has_is_refused_with_those_there_are() -> None:
    said = _predictions([(0, 1), (1, 0)], origins=["in-sample", "out-of-fold"])
    with pytest.raises(InputError, match=r"predicted held-out; .* in-sample, out-of-fold\.$"):
        interpret(said)
    with pytest.raises(InputError, match="no origin 'heldout'"):
        interpret(said, origins=("heldout",))  # type: ignore[arg-type]


def test_the_plots_show_themselves_at_the_end_of_a_cell() -> None:
    seen = interpret(_predictions([(0, 1), (2, 2)]), epochs=[Epoch(1, 2.0, 1.5, 0.5)])
    matrix, losses = seen.plot_confusion_matrix(), seen.plot_curves()
    assert matrix._repr_html_() == matrix.svg
    assert "given ant, predicted bee: 1 " in matrix.svg
    assert "validation loss 1.500" in losses.svg
    for drawing in (matrix, losses):
        ElementTree.fromstring(drawing.svg)


def test_the_top_losses_are_shown_with_their_pictures_and_hostile_names_stay_text() -> None:
    said = _predictions([(0, 1), (2, 2)])
    hostile = Predictions(**{**_fields(said), "vocab": ("<script>", "b", "c", "d")})
    asked: list[str] = []

    def picture(identity: str) -> bytes:
        asked.append(identity)
        if identity != "0.png":
            raise UnreadableImage("gone")
        return b"jpeg"

    html = interpret(hostile).plot_top_losses(picture, 2)._repr_html_()
    assert asked == ["0.png", "1.png"]
    assert html.count("data:image/jpeg;base64,anBlZw==") == 1
    assert "given &lt;script&gt;" in html
    assert "<script>" not in html
    assert "70% sure, loss 2.30" in html


def _fields(said: Predictions) -> dict[str, object]:
    return {name: getattr(said, name) for name in said.__dataclass_fields__}


def test_interpreting_loads_neither_torch_nor_widgets() -> None:
    code = """
import sys, numpy as np
from cleaner.app.interpretation import interpret
from cleaner.types import Predictions, strings
said = Predictions(strings(["a"]), ("x", "y"), np.zeros(1, np.int32), np.full((1, 2), .5, np.float32),
                   np.ones(1, np.float32), strings(["held-out"]))
interpret(said).plot_confusion_matrix()
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cleaner.app.interpretation" in done.stdout.split()
    assert not {"torch", "matplotlib", "ipywidgets", "fastai"} & set(done.stdout.split())
