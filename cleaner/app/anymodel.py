"""What any model says of any files (scikit-learn, Keras, Hugging Face), as a person goes through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from cleaner.app.features import compared, numbered
from cleaner.app.filegrid import number_of
from cleaner.app.looking import Looking
from cleaner.errors import InputError
from cleaner.progress import never, quiet
from cleaner.ranking.ridge import leave_one_out
from cleaner.ranking.scaling import Standardised
from cleaner.ranking.scores import checked_probs
from cleaner.review.journal import Journal
from cleaner.types import Floats, Ints, Pixels, Predictions, Queue, Standing, Strings, strings


def looking_over(
    paths: Sequence[str],
    labels: Sequence[str],
    *,
    probs: ArrayLike | None,
    embeddings: Pixels | None,
    classes: Sequence[str] | None,
    journal: Journal,
) -> Looking:
    """Return files as a person goes through them, by what a model says of them; see `ReviewGrid`.

    Raises InputError for columns that do not fit together.
    """
    vocab = tuple(sorted(set(labels)) if classes is None else map(str, classes))
    if unknown := set(labels).difference(vocab):
        raise InputError(
            f"The label {min(unknown)!r} is none of the {len(vocab)} classes; name all in classes=…."
        )
    code = {name: number for number, name in enumerate(vocab)}
    codes = np.array([code[label] for label in labels], dtype=np.int32)
    beliefs = _beliefs(codes, probs, embeddings, vocab=vocab)
    given = np.maximum(beliefs[np.arange(len(codes)), codes], np.finfo(np.float32).tiny)
    said = Predictions(strings(paths), vocab, codes, beliefs, -np.log(given), strings([""] * len(codes)))
    return looking_at(said, journal=journal, embeddings=embeddings, trained=probs is not None)


def looking_at(
    said: Predictions,
    *,
    journal: Journal,
    embeddings: Pixels | None,
    trained: bool = True,
    digests: Strings | None = None,
    listed: Callable[[Queue, Standing], Queue] = lambda ranked, _: ranked,
) -> Looking:
    """Return scored files as a person goes through them; files of equal `digests` [N] are one picture."""
    features = None
    if embeddings is not None:
        embeddings = _scaled(embeddings, count=len(said))
        own = said.ids if digests is None else digests
        features = compared(
            embeddings,
            cache="",
            digests=own,
            copies=numbered(own).astype(np.int32),
            labels=said.labels,
            report=quiet,
            stopped=never,
        )
    return Looking(
        said,
        number=number_of(said),
        engine=journal.engine,
        standing=journal.standing,
        listed=listed,
        trained=trained,
        features=features,
        embeddings=embeddings,
    )


def _beliefs(
    codes: Ints, probs: ArrayLike | None, embeddings: Pixels | None, *, vocab: tuple[str, ...]
) -> Floats:
    """Return probabilities [N, K]: those given, else by a head on embeddings, fitted without the image."""
    if probs is not None:
        said = checked_probs(codes, probs)[1]
        if said.shape[1] != len(vocab):
            raise InputError(
                f"The probabilities have {said.shape[1]} columns, but there are {len(vocab)} classes; "
                "name the class of each column in classes=…."
            )
        return said
    assert embeddings is not None, "one of the two is given"
    logs: Floats = leave_one_out(_scaled(embeddings, count=len(codes)), codes, classes=len(vocab)).log_probs
    return np.exp(logs).astype(np.float32)


def _scaled(embeddings: Pixels, *, count: int) -> Floats:
    """Return embeddings [N, D] brought to one scale. Raises InputError unless there is one for each path."""
    if len(embeddings.shape) != 2 or len(embeddings) != count:
        raise InputError(
            f"There are {count:,} paths but the embeddings are {list(embeddings.shape)}; "
            f"they must be [{count}, D], one for each path."
        )
    return Standardised(embeddings)[:]
