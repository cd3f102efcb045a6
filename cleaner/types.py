"""The nouns of the program, as frozen dataclasses: the glossary. It knows no stage, no disk and no widget.

Large tables are columns (numpy arrays of one length), not lists of objects: a million images must fit.
Every score points the same way: 1 = look first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Strings: TypeAlias = NDArray[np.object_]  # one str each
Ints: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float32]

Split: TypeAlias = Literal["train", "valid", "test"]
Action: TypeAlias = Literal["keep", "relabel", "delete", "unsure", "clear"]
Origin: TypeAlias = Literal["held-out", "in-sample", "out-of-fold"]
Mode: TypeAlias = Literal["quick", "full"]
How: TypeAlias = Literal["person", "bulk", "propagated"]
Kind: TypeAlias = Literal["move", "trash", "sidecar", "destroy"]

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
MODES: tuple[Mode, ...] = ("quick", "full")
ACTIONS: tuple[Action, ...] = ("keep", "relabel", "delete", "unsure", "clear")
SIDECARS = (".txt", ".xml", ".json")  # what is known of an image, beside it, under the same stem


def strings(values: Sequence[str]) -> Strings:
    """Return the texts as a column, shape [N], dtype object."""
    return np.fromiter(values, dtype=object, count=len(values))


def percent(share: float) -> str:
    """Say a probability: «97%», and neither «0%» nor «100%» of what is only nearly so."""
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 < share < 1 else f"{share:.0%}"


# --- 1 catalog: what is there? -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One image. `id` is the first relative path it ever had, `path` where it lies now."""

    id: str
    path: str
    label: str
    split: Split
    digest: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All readable, labelled images of a dataset, in columns of length N, sorted by id.

    `labels` holds positions in `vocab`; `paths` are relative to `root`, with forward slashes; `width` and
    `height` are pixels after EXIF rotation; `class_level` is the part of a path that names its class
    (0, or 1 where folders `train`, `valid`, `test` stand above the classes). `departed` maps the ids of
    images that are no longer there to digest and last path: no other picture ever gets such an id. `looks`
    is what the check has measured of each image, one record each; None if nothing was.
    """

    root: Path
    vocab: tuple[str, ...]
    ids: Strings
    paths: Strings
    labels: Ints
    splits: Strings
    digests: Strings
    widths: Ints
    heights: Ints
    bytes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    class_level: int = 0
    labels_in: Literal["folder", "table"] = "folder"
    departed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    looks: NDArray[np.void] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def item(self, position: int) -> Item:
        """Return one row."""
        return Item(
            id=self.ids[position],
            path=self.paths[position],
            label=self.vocab[self.labels[position]],
            split=self.splits[position],
            digest=self.digests[position],
            width=int(self.widths[position]),
            height=int(self.heights[position]),
            bytes=int(self.bytes[position]),
        )

    def positions(self) -> dict[str, int]:
        """Map each id to its row."""
        return {identity: row for row, identity in enumerate(self.ids)}

    def path_under(self, position: int, label: str) -> str:
        """Say where an image would lie if it carried another label: the same path, another class folder."""
        parts = list(PurePosixPath(self.paths[position]).parts)
        parts[self.class_level] = label
        return str(PurePosixPath(*parts))

    def held_out(self) -> NDArray[np.bool_]:
        """Mark the images that no training sees, shape [N]."""
        return np.asarray(self.splits != "train", dtype=bool)

    def digest(self) -> str:
        """Return one short text that changes whenever an id, a label, a split or a picture changes."""
        state = hashlib.blake2b("\0".join(self.vocab).encode(), digest_size=16)
        for column in (self.ids, self.splits, self.digests):
            state.update("\0".join(column).encode())
        state.update(self.labels.tobytes())
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one file to know. `severity`: 1 = look first; those of a `group` belong together.

    `advice` is "keep" or "delete" where one of a group is enough.
    """

    item: str
    kind: str
    severity: float
    detail: str
    group: str = ""
    advice: str = ""


# --- 2 model: what does a model make of it? ------------------------------------------------------


class Pixels(Protocol):
    """Numbers of N images, rows as in the catalog: an array, or rows of a file that holds more.

    The images themselves are uint8 [N, S, S, 3], their embeddings floats [N, D].
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths, as of an array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one number."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train. None means: chosen from the data, and recorded in the round as chosen.

    `mode` "quick" fits a linear head on features of the frozen pretrained body, in about a second once those
    are computed; "full" trains the whole network. `arch` is a name of torchvision or timm. `weights` is
    "pretrained" (downloaded once; without a network a small one is trained from scratch instead), "scratch",
    or the path of a safetensors file or torch state dict of `arch`. `size` is the side in pixels that the
    network sees; `lr` the highest learning rate of the schedule. `folds` is how many further networks are
    trained, each without its share of the images, to score those without having learned from them; 0: none.
    """

    mode: Mode = "full"
    arch: str = "resnet34"
    weights: str = "pretrained"
    epochs: int | None = None
    lr: float | None = None
    size: int | None = None
    batch_size: int = 64
    flip: bool = True
    folds: int | None = None
    seed: int = 0


TRUST = 3.0  # how many plain labels one counts for that a person has confirmed or corrected


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training images left behind. Losses in nats, on the labels as given."""

    number: int
    train_loss: float
    valid_loss: float
    error_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a fitted network says of N images and K classes, without augmentation.

    `labels` [N] are the labels it was trained with, as positions in `vocab`; `probs` [N, K] sum to 1;
    `losses` [N] are cross-entropies in nats; `origins` [N] say whether the network had learned from that
    very image ("in-sample": the loss under-reports what was memorised) or not ("held-out"; "out-of-fold":
    another network of the same training, which had not). `margins` [N, E] are logits of the given label minus
    the highest other one, collected in each of E epochs while training, NaN for images not learned from;
    None where there was no training to watch. `quick` [N, K] are the probabilities by a quick head on the
    frozen body, each image left out of its own, where there is one beside a trained network.
    """

    ids: Strings
    vocab: tuple[str, ...]
    labels: Ints
    probs: Floats
    losses: Floats
    origins: Strings
    margins: Floats | None = None
    quick: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Round:
    """One time round the loop: what was trained on what, and how well it did on the held-out images.

    `error_rate` is the share of the `held_out` images whose given label was not predicted. `notes` say what
    was done otherwise than asked for, `advice` what went wrong in the training and what to do about it.
    """

    number: int
    config: TrainConfig
    vocab: tuple[str, ...]
    epochs: tuple[Epoch, ...]
    catalog_digest: str
    held_out: int
    error_rate: float
    device: str
    notes: tuple[str, ...]
    seconds: float
    finished: str
    advice: tuple[str, ...] = ()


# --- 3 ranking: what should a person see first? --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image in the order of looking, with what a person needs to judge it.

    `suggested` is the class the model believes instead, None where it agrees with the given label;
    `confidence` is the probability of the class that the model believes.
    """

    id: str
    score: float
    label: str
    suggested: str | None
    confidence: float
    origin: Origin
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Queue:
    """Images in the order in which to look at them, in columns of length N; `scores`: 1 = look first.

    `suggested` holds positions in `vocab`, equal to `labels` where the model agrees with the label; `late`
    says that on average it doubted the label while it learned from it.
    """

    vocab: tuple[str, ...]
    ids: Strings
    scores: Floats
    labels: Ints
    suggested: Ints
    confidence: Floats
    given_probs: Floats
    origins: Strings
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Candidate]:
        return map(self.candidate, range(len(self)))

    def frame(self) -> Any:
        """Return the queue as a pandas DataFrame, a row for each candidate, in columns named as there."""
        from pandas import DataFrame

        return DataFrame(map(astuple, self), columns=[column.name for column in fields(Candidate)])

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Queue:
        """Return the queue of some rows, in the order given."""
        names = ("ids", "scores", "labels", "suggested", "confidence", "given_probs", "origins", "late")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def candidate(self, row: int) -> Candidate:
        """Return one row with its reasons in words."""
        label, other = self.vocab[self.labels[row]], self.vocab[self.suggested[row]]
        score, believed, given = (float(c[row]) for c in (self.scores, self.confidence, self.given_probs))
        suggested = None if label == other else other
        reason = f"the model sees {other} ({percent(believed)}) rather than {label} ({percent(given)})"
        if suggested is None:
            doubt = ", which it doubted while it learned" if self.late[row] else ""
            reason = f"the model agrees with {label} ({percent(believed)}){doubt}"
        return Candidate(self.ids[row], score, label, suggested, believed, self.origins[row], (reason,))


# --- 4 review: the person decides ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict of one person. Events are only ever appended; the last one of an item holds.

    `label` is the new class of a relabel, else None; `batch` joins what was decided with one key;
    `undoes` names the batch that this event takes back; `at` is UTC in ISO 8601. `how` it came about: a
    person looked at this very image, decided on many at once, or on one that it is a near copy of.
    """

    item: str
    action: Action
    label: str | None
    by: str
    at: str
    round: int
    batch: int
    undoes: int | None = None
    how: How = "person"


Standing: TypeAlias = Mapping[str, Decision]  # the last decision of each item; never a "clear"


# --- 5 changes: make it so, and undo it ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one file: from `source` to `target`, both relative to the dataset, forward slashes.

    `kind` is "move" (to another class folder), "trash" (its target is chosen when it is applied), "sidecar"
    (a file that goes where its image goes) or "destroy"; what is destroyed has no target.
    """

    item: str
    kind: Kind
    source: str
    target: str
    label: str
    new_label: str | None
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision that can't become a change, and why."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do, and what it would not, before anything is touched."""

    operations: tuple[Operation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.operations)

    def frame(self) -> Any:
        """Return the plan as a pandas DataFrame, a row for each change, in columns named as in Operation."""
        from pandas import DataFrame

        names = ["item", "kind", "source", "target", "label", "new_label"]
        return DataFrame([[getattr(op, n) for n in names] for op in self.operations], columns=names)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an apply, an undo or an emptying really did: the changes done, the ones that failed and why."""

    batch: int
    verb: Literal["apply", "undo", "empty"]
    done: tuple[Operation, ...] = ()
    failed: tuple[Refusal, ...] = ()
    stopped: bool = False
