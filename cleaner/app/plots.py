"""The plots of a training: losses and error rates, the search for a learning rate, what is taken for what.

Pure: numbers and names in, SVG out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaner.app.drawing import (
    ACCENT,
    INK,
    WARN,
    Plane,
    Scale,
    brief,
    columns,
    key,
    picture,
    printable,
    short,
    text,
)
from cleaner.types import Epoch

FIGURES = ("train_loss", "valid_loss", "error_rate")

EXPLOSION = 10.0  # times the usual loss, from which on only a logarithmic axis shows the rest
BREAKDOWN = 1.25  # times the highest loss before the lowest
CLASSES = 20  # of a confusion matrix, beyond which only the most confused are shown
CELL = 32  # units, of a confusion matrix
DEPTH = 0.62  # opacity of a full cell, on which the page's own text can still be read


def curves(epochs: Sequence[Epoch]) -> str:
    """Draw training and validation loss, and beside them the error rate, by epoch; nothing without epochs."""
    if not epochs:
        return ""
    first, last = epochs[0], epochs[-1]
    train, valid, wrong = ([(e.number, getattr(e, name)) for e in epochs] for name in FIGURES)
    losses = Plane(Scale(first.number, last.number, 44, 392), _loss_scale([y for _, y in train + valid]))
    rates = Plane(Scale(first.number, last.number, 450, 626), Scale(0, _top([y for _, y in wrong]), 172, 36))
    drawn = (
        losses.axes(across=_counted(losses.x), up=[(v, brief(v)) for v in losses.y.ticks(6)], title="epoch")
        + losses.curve(train, color=ACCENT)
        + losses.curve(valid, color=WARN)
        + key(44, f"training loss {last.train_loss:.3f}", color=ACCENT)
        + key(222, f"validation loss {last.valid_loss:.3f}", color=WARN)
        + rates.axes(across=_counted(rates.x), up=[(v, f"{v:.0%}") for v in rates.y.ticks(6)], title="epoch")
        + rates.curve(wrong, color=INK)
        + key(450, f"held-out error rate {last.error_rate:.1%}", color=INK)
    )
    words = (
        f"Losses by epoch, {first.number} to {last.number}: training from {first.train_loss:.3f} to "
        f"{last.train_loss:.3f}, validation from {first.valid_loss:.3f} to {last.valid_loss:.3f}; held-out "
        f"error rate from {first.error_rate:.1%} to {last.error_rate:.1%}."
    )
    return picture(drawn, width=640, height=208, words=words)


def lr_plot(lrs: Sequence[float], losses: Sequence[float], suggestion: float | None) -> str:
    """Draw losses against rising learning rates on a logarithmic axis, and mark the suggested one, if any.

    The curve ends where the training breaks down: losses far above the first one would flatten the rest.
    """
    points = _until_breakdown(lrs, losses)
    if not points:
        return ""
    (first, _), (last, _), found = points[0], points[-1], [loss for _, loss in points]
    plane = Plane(Scale(first, last, 44, 506, log=True), Scale(min(found), max(found), 202, 36))
    best, lowest = min(points, key=lambda point: point[1])
    drawn = plane.axes(
        across=[(v, f"{v:g}") for v in plane.x.ticks(9)],
        up=[(v, brief(v)) for v in plane.y.ticks(6)],
        title="learning rate",
    )
    drawn += key(44, "training loss", color=ACCENT) + plane.curve(points, color=ACCENT)
    words = f"Loss against learning rate, {first:.2g} to {last:.2g}; lowest, {lowest:.3g}, at {best:.2g}"
    if suggestion is not None:
        words += f"; the suggestion is {suggestion:.2g}"
        drawn += _mark(plane.x(suggestion), plane, said=f"suggested: {suggestion:.2g}")
    return picture(drawn, width=520, height=238, words=f"{words}.")


def confusion_plot(matrix: NDArray[np.integer[Any]], vocab: Sequence[str]) -> str:
    """Draw counts [K, K], rows given and columns predicted, deeper where more of a row; mistakes stand out.

    Of more than 20 classes only the 20 with the most mistakes are shown, which is said beneath.
    """
    if not len(vocab):
        return ""
    shown, names = most_mistaken(matrix, CLASSES), [short(name) for name in vocab]
    left = top = 36 + 6.6 * max(columns(names[code]) for code in shown)
    cells = [
        _cell(matrix, row, column, x=left + CELL * across, y=top + CELL * down, names=vocab)
        for down, row in enumerate(shown)
        for across, column in enumerate(shown)
    ]
    side = CELL * len(shown)
    for place, code in enumerate(shown):
        middle = place * CELL + CELL / 2 + 4
        cells.append(text(names[code], x=left - 6, y=top + middle, anchor="end", title=vocab[code]))
        cells.append(text(names[code], x=left + middle, y=top - 6, turn=-90, title=vocab[code]))
    cells.append(text("predicted", x=left + side / 2, y=14, anchor="middle", strong=True))
    cells.append(text("given", x=14, y=top + side / 2, anchor="middle", turn=-90, strong=True))
    left_out = len(vocab) - len(shown)
    note = f"The {len(shown)} classes with the most mistakes; {left_out:,} others are left out."
    note = note if left_out else ""
    cells.append(text(note, x=6, y=top + side + 20))
    width = max(left + side + 8, 6.2 * len(note))
    height = top + side + (30 if note else 8)
    return picture("".join(cells), width=width, height=height, words=_matrix_in_words(matrix, vocab))


def most_mistaken(matrix: NDArray[np.integer[Any]], most: int) -> list[int]:
    """Return the positions of at most so many classes, those with the most mistakes, in their own order."""
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return sorted(int(code) for code in np.argsort(-mistakes, kind="stable")[:most])


def _until_breakdown(lrs: Sequence[float], losses: Sequence[float]) -> list[tuple[float, float]]:
    """Return the points up to the lowest loss, and beyond it those not far above the first."""
    points = [(x, y) for x, y in zip(lrs, losses, strict=True) if math.isfinite(y) and x > 0]
    if not points:
        return []
    best = min(range(len(points)), key=lambda row: points[row][1])
    far = BREAKDOWN * max(y for _, y in points[: best + 1])
    end = next((row for row in range(best, len(points)) if points[row][1] > far), len(points))
    return points[:end]


def _mark(x: float, plane: Plane, *, said: str) -> str:
    line = f"M{x:.1f} {plane.y.end}V{plane.y.start}"
    late = x > (plane.x.start + plane.x.end) / 2
    anchor, beside = ("end", x - 6) if late else ("start", x + 6)
    dashes = f"<path d='{line}' style='stroke:{WARN};stroke-width:1.5;stroke-dasharray:4 3'/>"
    return dashes + text(said, x=beside, y=plane.y.end + 10, anchor=anchor, strong=True)


def _cell(
    matrix: NDArray[np.integer[Any]], row: int, column: int, *, x: float, y: float, names: Sequence[str]
) -> str:
    count, all_of_row = int(matrix[row, column]), int(matrix[row].sum())
    share = count / all_of_row if all_of_row else 0.0
    color, depth = (ACCENT if row == column else WARN), (0.12 + (DEPTH - 0.12) * share if count else 0.04)
    said = f"given {names[row]}, predicted {names[column]}: {count:,} ({share:.0%} of {all_of_row:,})"
    fill = f"fill:{color if count else INK};fill-opacity:{depth:.2f}"
    place = f"x='{x + 1:.1f}' y='{y + 1:.1f}' width='{CELL - 2}' height='{CELL - 2}' rx='3'"
    number = (
        text(brief(count), x=x + CELL / 2, y=y + CELL / 2 + 4, anchor="middle", strong=True) if count else ""
    )
    return f"<g><title>{escape(printable(said))}</title><rect {place} style='{fill}'/>{number}</g>"


def _matrix_in_words(matrix: NDArray[np.integer[Any]], vocab: Sequence[str]) -> str:
    total, right = int(matrix.sum()), int(matrix.diagonal().sum())
    said = f"Confusion matrix of {len(vocab):,} classes: {right:,} of {total:,} images predicted as given"
    mistakes = matrix - np.diag(matrix.diagonal())
    if not mistakes.any():
        return f"{said}."
    row, column = divmod(int(mistakes.argmax()), len(vocab))
    pair = f"{short(vocab[row])} predicted as {short(vocab[column])}, {int(mistakes.max()):,} times"
    return f"{said}; most often confused: {pair}."


def _loss_scale(losses: Sequence[float]) -> Scale:
    """Return a scale from zero; a logarithmic one where some losses have exploded."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    usual = float(np.median(finite)) if finite else 0.0
    if usual > 0 and max(finite) > EXPLOSION * usual:
        return Scale(max(min(finite), usual / 10), max(finite), 172, 36, log=True)
    return Scale(0, _top(finite), 172, 36)


def _top(values: Sequence[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=0.0) or 1.0


def _counted(scale: Scale) -> list[tuple[float, str]]:
    return [(v, f"{v:.0f}") for v in scale.ticks(6) if v == round(v)]
