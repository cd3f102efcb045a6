"""Read from a training what went wrong, and say it: one plain sentence each, with what to do about it.

Pure and free of torch. It speaks only where the figures leave little doubt: a good training hears nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Catalog, Epoch, Floats, Ints, Pixels, Predictions, TrainConfig

# The history. The figures behind the limits: handwritten digits, 10 classes, from scratch at a rate of 8e-3.
EXPLODED = 5.0  # times the loss of guessing; good trainings stay below 1.2, rates from 0.3 on pass 8
USUAL_RATE = 3e-3  # from here on, losses that stand still have another cause than too low a rate
CREPT = 0.25  # of the first training loss; at a 27th of the usual rate 0.18 goes, at the usual over 0.34
STILL_FALLING = 0.07  # of the validation loss, in the last epoch; settled ones lose up to 0.05, others 0.09
WORTH_FALLING = 0.02  # nats; below that nothing is left to gain, however many per cent it is
BY_HEART = 0.5  # training loss over validation loss; where it is lower, more epochs only memorise
GUESSING = 0.8  # of the error rate of guessing; after 1 or 2 epochs it is 0.93 or more, after 4 below 0.55
SHORT = 3  # epochs; who still guesses after more than these has another problem
LASTING = 3  # epochs in a row; single bad ones come and go while the rate is high
SETTLED = 2 / 3  # of the planned epochs; before that the rate is so high that the error rate swings
DEVIATIONS = 3.0  # standard errors; the best of many epochs alone lies two below what it is worth

# The data
FEWEST = 10  # training images of a class; a digit seen 2 times is recognised 1 time in 8, seen 5 times in 2
JUDGED = 10  # images of a class that no network had learned from; of fewer nothing can be said
BEYOND_HALF = 1.64  # standard errors: more than half, at a level of 5 %
SIDE = 16  # of a signature: tells photos apart, and does not see another size or quality of JPEG
TEXTURE = 6.0  # grey levels of deviation; plainer pictures resemble each other without being the same
UNUSUAL = 0.05  # of a signature's length, that is not common to all images; below it is noise
SAME_PICTURE = 0.985  # cosine; different digits reach 0.97, photos 0.93, copies at JPEG quality 50 have 0.987
LEAKING = 0.02  # of the held-out images; less is lost in the uncertainty of the error rate
LEAKED = 3  # images; fewer may be a coincidence
NAMED = 3  # classes or pairs; the rest is counted
CHUNK = 512  # images at a time


def advise_on_history(
    epochs: Sequence[Epoch], *, config: TrainConfig, classes: int, held_out: int
) -> tuple[str, ...]:
    """Say what the figures of the epochs so far show: the one thing to change first, or mostly nothing.

    `config` is as chosen, with `lr` and `epochs` filled in; `held_out` is how many images the error rates are
    of. Cheap enough for a call after every epoch. An epoch 0 is that of the new head alone; epochs without
    validation, whose loss is NaN, say nothing.
    """
    epochs = [epoch for epoch in epochs if not math.isnan(epoch.valid_loss)]
    if not epochs or config.mode == "quick":
        return ()
    planned, rate = config.epochs or epochs[-1].number, config.lr or USUAL_RATE
    said = (
        _too_high(epochs, rate=rate, classes=classes)
        or _overfitting(epochs, planned=planned, classes=classes, held_out=held_out)
        or _too_few(epochs, planned=planned, rate=rate, classes=classes)
        or _too_low(epochs, planned=planned, rate=rate)
    )
    return (said,) if said else ()


def advise_on_data(catalog: Catalog, predictions: Predictions, images: Pixels) -> tuple[str, ...]:
    """Say what the images and labels made go wrong: scarce classes, swallowed classes, a split that leaks.

    `predictions` and `images` [N, S, S, 3] have the rows of the catalog; every image is read once.
    """
    learned = np.bincount(catalog.labels[~catalog.held_out()], minlength=len(catalog.vocab))
    scarce = [code for code in np.argsort(learned, kind="stable") if learned[code] < FEWEST]
    pairs = [pair for pair in swallowed(predictions) if pair[0] not in scarce]
    return (
        *_on_scarce(catalog, learned, scarce),
        *_on_swallowed(predictions, pairs),
        *_on_leak(catalog, images),
    )


# --- the history -----------------------------------------------------------------------------------


def _too_high(epochs: Sequence[Epoch], *, rate: float, classes: int) -> str:
    guessing = math.log(max(classes, 2))
    worst = max(epochs, key=lambda e: e.valid_loss)
    if worst.valid_loss <= EXPLODED * max(guessing, 1.0):
        return ""
    return (
        f"The learning rate {rate:g} is too high: the validation loss was {worst.valid_loss:,.1f} after "
        f"epoch {worst.number}, and guessing costs {guessing:.1f}; "
        f"train again with {min(rate / 10, USUAL_RATE):g}."
    )


def _overfitting(epochs: Sequence[Epoch], *, planned: int, classes: int, held_out: int) -> str:
    best = min(epochs, key=lambda e: e.error_rate)
    last, recent = epochs[-1], epochs[-LASTING:]
    if last.number < SETTLED * planned or _is_guessing(best, classes=classes):
        return ""
    if recent[0].number <= best.number or last.train_loss >= best.train_loss:
        return ""
    if min(e.error_rate for e in recent) <= best.error_rate + _doubt(best, last, held_out=held_out):
        return ""
    return (
        f"The network overfits: its error rate on the held-out images was {best.error_rate:.1%} after epoch "
        f"{best.number} and is {last.error_rate:.1%} after epoch {last.number}; train again with "
        f"{_epochs(max(best.number, 1))}, after correcting wrong labels or adding images."
    )


def _epochs(number: int) -> str:
    return f"{number} {'epoch' if number == 1 else 'epochs'}"


def _doubt(first: Epoch, second: Epoch, *, held_out: int) -> float:
    """Return how far two error rates may lie apart by chance: standard errors of a binomial difference."""
    mean = (first.error_rate + second.error_rate) / 2
    return DEVIATIONS * math.sqrt(2 * mean * (1 - mean) / max(held_out, 1))


def _too_few(epochs: Sequence[Epoch], *, planned: int, rate: float, classes: int) -> str:
    last = epochs[-1]
    if last.number < planned or last.train_loss < BY_HEART * last.valid_loss:
        return ""
    many = f"{_epochs(planned)} {'was' if planned == 1 else 'were'} too few"
    remedy = f"train again with {_epochs(max(2 * planned, 4))}."
    if _still_falling(epochs):
        return (
            f"{many}: in the last one the validation loss still fell from {epochs[-2].valid_loss:.3f} to "
            f"{last.valid_loss:.3f}; {remedy}"
        )
    if planned <= SHORT and rate >= USUAL_RATE and _is_guessing(last, classes=classes):
        return f"{many}: an error rate of {last.error_rate:.0%} is about that of guessing; {remedy}"
    return ""


def _is_guessing(epoch: Epoch, *, classes: int) -> bool:
    return epoch.error_rate > GUESSING * (1 - 1 / max(classes, 2))


def _still_falling(epochs: Sequence[Epoch]) -> bool:
    if len(epochs) < 2:
        return False
    before, last = epochs[-2], epochs[-1]
    worth = max(STILL_FALLING * before.valid_loss, WORTH_FALLING)
    return last.train_loss < before.train_loss and before.valid_loss - last.valid_loss > worth


def _too_low(epochs: Sequence[Epoch], *, planned: int, rate: float) -> str:
    first, last = epochs[0], epochs[-1]
    crept = first.train_loss - last.train_loss < CREPT * first.train_loss
    if len(epochs) < 2 or last.number < planned / 2 or rate >= USUAL_RATE:
        return ""
    if not crept or last.train_loss <= last.valid_loss:
        return ""
    return (
        f"The learning rate {rate:g} is too low: in {len(epochs)} epochs the training loss only came from "
        f"{first.train_loss:.2f} to {last.train_loss:.2f}; train again with {USUAL_RATE:g}."
    )


# --- the data --------------------------------------------------------------------------------------


def _on_scarce(catalog: Catalog, learned: NDArray[np.intp], scarce: Sequence[int]) -> Iterator[str]:
    for code in scarce[:NAMED]:
        images = "image" if learned[code] == 1 else "images"
        yield (
            f"The class {catalog.vocab[code]} has only {learned[code]} training {images}, too few to learn "
            f"it: add some until there are {FEWEST} or more, or merge it with another class."
        )
    if len(scarce) > NAMED:
        yield f"Classes with fewer than {FEWEST} training images besides these: {len(scarce) - NAMED}."


def swallowed(predictions: Predictions) -> list[tuple[int, int, float]]:
    """Find the classes most of whose images are taken for one other: (class, other, share), most first.

    It goes by images that no network had learned from. Empty where most of them are mistaken: then too
    little was learned altogether, and no class is to blame.
    """
    honest = predictions.origins != "in-sample"
    classes = len(predictions.vocab)
    table = confusion(predictions.labels[honest], predictions.probs[honest].argmax(axis=1), classes=classes)
    if table.trace() < table.sum() / 2:
        return []
    counts = table.sum(axis=1)
    np.fill_diagonal(table, 0)
    shares = table.max(axis=1) / np.maximum(counts, 1)
    most = (counts >= JUDGED) & (shares > 0.5 + BEYOND_HALF * 0.5 / np.sqrt(np.maximum(counts, 1)))
    pairs = [(int(c), int(table[c].argmax()), float(shares[c])) for c in np.flatnonzero(most)]
    return sorted(pairs, key=lambda pair: -pair[2])


def confusion(labels: Ints, predicted: NDArray[np.intp], *, classes: int) -> NDArray[np.intp]:
    """Count the pairs of given label (row) and predicted class (column), [K, K]."""
    pairs = labels.astype(np.intp) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _on_swallowed(predictions: Predictions, pairs: Sequence[tuple[int, int, float]]) -> Iterator[str]:
    for given, other, share in pairs[:NAMED]:
        yield (
            f"{share:.0%} of the images labelled {predictions.vocab[given]} are taken for "
            f"{predictions.vocab[other]}: look through both, merge them if they are the same, or add images "
            f"labelled {predictions.vocab[given]}."
        )


def _on_leak(catalog: Catalog, images: Pixels) -> Iterator[str]:
    held = catalog.held_out()
    rows, signs = signatures(images)
    asked, known = rows[held[rows]], rows[~held[rows]]
    twins, cosines = nearest(signs[held[rows]], signs[~held[rows]])
    count, total = int((cosines > SAME_PICTURE).sum()), int(held.sum())
    if count < max(LEAKED, LEAKING * total):
        return
    closest = int(cosines.argmax())
    yield (
        f"The split leaks: {count:,} of the {total:,} held-out images ({count / total:.0%}) are nearly the "
        f"same picture as a training image, for example {catalog.paths[asked[closest]]} and "
        f"{catalog.paths[known[twins[closest]]]}, so the error rate looks better than it is; "
        "delete the copies, or put them on one side of the split."
    )


def signatures(images: Pixels) -> tuple[NDArray[np.intp], Floats]:
    """Return the rows that show any texture, [M], and what each looks like, [M, SIDE²] of length 1.

    Means of the luminance in blocks, without their mean, at length 1, and then without what all images have
    in common: pictures of one kind of thing would otherwise all resemble each other.
    """
    blocks = [_blocks(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
    signs = np.concatenate(blocks) if blocks else np.zeros((0, SIDE * SIDE), dtype=np.float32)
    signs -= signs.mean(axis=1, keepdims=True)
    textured = np.flatnonzero(signs.std(axis=1) >= TEXTURE)
    signs = signs[textured]
    signs /= np.linalg.norm(signs, axis=1, keepdims=True)
    signs -= signs.sum(axis=0) / max(len(signs), 1)
    lengths = np.linalg.norm(signs, axis=1, keepdims=True)
    unusual = lengths[:, 0] >= UNUSUAL
    return textured[unusual], signs[unusual] / lengths[unusual]


def _blocks(images: NDArray[np.uint8]) -> Floats:
    """Return the luminance [M, SIDE²] of images [M, S, S, 3] in blocks of about (S / SIDE)² pixels.

    Of large images only every so manieth pixel counts: four by four in each block say enough.
    """
    some = images[:, :: max(1, images.shape[1] // (4 * SIDE)), :: max(1, images.shape[2] // (4 * SIDE))]
    light: Floats = some.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    for axis, shape in ((1, (1, SIDE, 1)), (2, (1, 1, SIDE))):
        edges = np.linspace(0, light.shape[axis], SIDE + 1).astype(np.intp)
        sizes = np.diff(edges).reshape(shape)
        light = np.divide(np.add.reduceat(light, edges[:-1], axis=axis), sizes, dtype=np.float32)
    return light.reshape(len(light), -1)


def nearest(asked: Floats, known: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return for each signature the row of the most similar known one, and their cosine; [M] both.

    Block by block: exact, and in bounded memory. Without any known one the cosines are -1.
    """
    rows, cosines = np.zeros(len(asked), dtype=np.intp), np.full(len(asked), -1.0, dtype=np.float32)
    for start in range(0, len(asked) if len(known) else 0, CHUNK):
        close = asked[start : start + CHUNK] @ known.T
        rows[start : start + CHUNK], cosines[start : start + CHUNK] = close.argmax(axis=1), close.max(axis=1)
    return rows, cosines
