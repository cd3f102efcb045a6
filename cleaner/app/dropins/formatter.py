"""fastai 1's DatasetFormatter: which images of a Learner to look at, as a dataset and positions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cleaner.app.dropins.cleaners import readable
from cleaner.app.engine import quiet_import
from cleaner.errors import InputError
from cleaner.ranking.neighbours import nearest
from cleaner.types import Floats

ALIKE = 5  # nearest others of each image that may make a pair with it


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """N image files with their labels, and what a model believes: `suggested` classes with `confidence`.

    `probs` [N, K] are in columns as in `classes`.
    """

    items: tuple[Path, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    probs: Floats

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> tuple[Path, str]:
        return self.items[position], self.labels[position]

    @property
    def suggested(self) -> tuple[str, ...]:
        """The likeliest class of each."""
        return tuple(self.classes[code] for code in self.probs.argmax(axis=1))


class DatasetFormatter:
    """Choose images of a fastai Learner for `ImageCleaner` and `PredictionsCorrector`, as fastai 1 did.

    Scored without augmentation, the Learner left as it was found. Each returns a dataset and positions in it.
    """

    @classmethod
    def from_toplosses(
        cls, learn: Any, n_imgs: int | None = None, *, ds_type: Literal["train", "valid"] = "train"
    ) -> tuple[LabelledImages, list[int]]:
        """Return the images with the highest losses first, all or `n_imgs` of them."""
        images, losses, _ = _asked(learn, ds_type=ds_type)
        return images, np.argsort(-losses, kind="stable")[:n_imgs].tolist()

    @classmethod
    def from_similars(
        cls,
        learn: Any,
        layer_ls: Sequence[int] | None = None,
        *,
        ds_type: Literal["train", "valid"] = "train",
    ) -> tuple[LabelledImages, list[int]]:
        """Return pairs of images, one after the other, the most alike first; at most as many as images.

        Alike is what the layer `learn.model[i][j][k]` for `layer_ls=[i, j, k]` sees alike, by default the end
        of the network's body. For `ImageCleaner(…, duplicates=True)`.
        """
        images, _, features = _asked(learn, ds_type=ds_type, layers=layer_ls)
        if features is None:
            raise InputError(
                "This Learner's network has no body to compare by; name a layer in layer_ls=[…]."
            )
        near = nearest(features, k=min(ALIKE, max(1, len(images) - 1)))
        pairs = {
            (min(row, other), max(row, other)): float(similarity)
            for row, (others, alike) in enumerate(zip(near.rows.tolist(), near.similarities, strict=True))
            for other, similarity in zip(others, alike, strict=True)
            if other >= 0
        }
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[: len(images)]
        return images, [row for pair in best for row in pair]

    @classmethod
    def from_most_unsure(
        cls, learn: Any, num: int = 50, *, dl: Any = None
    ) -> tuple[LabelledImages, list[int], list[str], list[str]]:
        """Return test images between whose two likeliest classes the model can hardly decide, those first.

        Of `dl=learn.dls.test_dl(files)`, or of the third of the Learner's DataLoaders. Returns the images,
        positions of `num` of them, all classes, and the predicted label of each image.
        """
        if dl is None and len(learn.dls.loaders) < 3:
            raise InputError("This Learner has no test set; pass dl=learn.dls.test_dl(files).")
        with quiet_import():
            from cleaner.model.borrowed import ask_unlabelled

        paths, probs, classes = ask_unlabelled(learn, learn.dls[2] if dl is None else dl, readable=readable)
        labels = tuple(classes[code] for code in probs.argmax(axis=1))
        two = np.sort(probs, axis=1)[:, -2:]
        order = np.argsort(np.ptp(two, axis=1), kind="stable")[:num].tolist()
        return LabelledImages(paths, labels, classes, probs), order, list(classes), list(labels)


def _asked(
    learn: Any, *, ds_type: str, layers: Sequence[int] | None = None
) -> tuple[LabelledImages, Floats, Any]:
    """Return the images of one side of the split, their losses [N] and what a layer sees of them [N, D]."""
    if ds_type not in ("train", "valid"):
        raise InputError(f"ds_type is {ds_type!r}, but must be 'train' or 'valid'.")
    with quiet_import():
        from cleaner.model.borrowed import ask

    found = ask(learn, readable=readable, layers=layers, side=ds_type)
    said = found.predictions
    labels = tuple(said.vocab[code] for code in said.labels)
    return LabelledImages(found.paths, labels, said.vocab, said.probs), said.losses, found.features
