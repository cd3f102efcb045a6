"""Scored images as a person goes through them: the order that follows every verdict, its pages, the evidence.

Of a round, opened from what that keeps, or of anything else that was scored; no torch is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy.engine import Engine

from cleaner.app.agenda import agenda
from cleaner.app.dealing import Dealer
from cleaner.app.features import Features, load_features
from cleaner.app.places import of_probabilities
from cleaner.app.rounds import load_predictions, round_folder
from cleaner.errors import InputError
from cleaner.ranking.beliefs import Believer, believer
from cleaner.ranking.evidence import evidence
from cleaner.ranking.neighbours import Neighbours
from cleaner.ranking.order import LiveOrder
from cleaner.ranking.stopping import Outlook
from cleaner.review.deck import Deck
from cleaner.review.packing import Evidence
from cleaner.types import Catalog, Pixels, Predictions, Queue, Round, Standing


class Looking:
    """Scored images in the order of the moment. May be asked from several threads.

    `number` tells this scoring from others of the same database: pages and verdicts carry it. `listed` says
    what of the ranked images is to be looked at; `trained` whether a network said it, or a head on the
    embeddings [N, D]; without those nothing is known of copies and evidence.
    """

    def __init__(
        self,
        said: Predictions,
        *,
        number: int,
        engine: Engine,
        standing: Callable[[], Standing],
        listed: Callable[[Queue, Standing], Queue] = lambda ranked, _: ranked,
        trained: bool = True,
        features: Features | None = None,
        embeddings: Pixels | None = None,
    ) -> None:
        self.number = number
        self._said, self._features = said, features
        self._embeddings = None if features is None else embeddings
        self.rows = {identity: row for row, identity in enumerate(said.ids)}
        self._listed, self._standing, self._lock = listed, standing, threading.Lock()
        self._order = LiveOrder(said, believer=self._believer(), network=trained)
        self.dealer = Dealer(Deck(engine, round=number), ranked=self.ranked, standing=standing)

    @property
    def has_evidence(self) -> bool:
        """Say whether there is anything to compare images by."""
        return self._embeddings is not None

    def ranked(self) -> Queue:
        """Return what there is to look at, by all verdicts so far."""
        with self._lock:
            standing = self._standing()  # here, or an older one could be taken up after a newer
            self._order.follow(standing)
            ranked = self._order.queue()
        return self._listed(ranked, standing)

    def contested(self) -> Queue:
        """Return the reviewed images over which the model and the reviewer differ, worst first."""
        with self._lock:
            self._order.follow(self._standing())
            return self._order.contested()

    def outlook(self, *, upcoming: int = 24) -> Outlook:
        """Say how many labels may still be wrong, how many of the next images are, and if one may stop."""
        return self.dealer.outlook(upcoming=upcoming)

    def suggestions(self, identity: str) -> tuple[tuple[str, float], ...]:
        """Return up to five classes an image may be of, with their probabilities, best first.

        None of an image that was not scored: it may have left before.
        """
        if identity not in self.rows:
            return ()
        with self._lock:
            return self._order.suggestions(identity)

    def copies(self, identity: str) -> tuple[str, ...]:
        """Return the near-copies of an image, in the order of the ids."""
        row = self.rows.get(identity)
        if self._features is None or row is None:
            return ()
        group = self._features.groups
        return tuple(self._said.ids[other] for other in np.flatnonzero(group == group[row]) if other != row)

    def neighbours(self, identity: str) -> tuple[str, ...]:
        """Return the images most like one, its near-copies first. Raises InputError without features."""
        row = self.rows.get(identity)
        if self._features is None or row is None:
            raise InputError(
                "Which pictures are alike is known only after a training with pretrained weights."
            )
        near = self._features.neighbours[row]
        return (*self.copies(identity), *(self._said.ids[other] for other in near if other >= 0))

    def vectors(self) -> Pixels:
        """Return numbers [N, D] that are alike where images are, in the order of `rows`: for the map.

        The features of the frozen body; in a round that has none, what the network says of each image.
        """
        return of_probabilities(self._said.probs) if self._embeddings is None else self._embeddings

    def evidence(self, identity: str) -> Evidence:
        """Return what helps to judge an image: those most like it of two classes, and reasons in words."""
        row = self.rows.get(identity)
        if self._embeddings is None or self._features is None or row is None:
            return Evidence()
        with self._lock:
            self._order.follow(self._standing())
            labels, weights, sound = self._order.present()
            best = self._order.suggestions(identity, most=2)
        vocab, label = self._said.vocab, self._said.labels[row]
        other = next((name for name, _ in best if name != vocab[label]), vocab[label])
        seen = evidence(
            [row],
            self._embeddings,
            np.where(np.arange(len(labels)) == row, label, labels),
            vocab=vocab,
            suggested=[vocab.index(other)],
            groups=self._features.groups,
            pictures=self._features.pictures,
            sound=sound,
            gone=weights == 0,
            unlike=self._features.unlike,
        )[0]
        given, suggested = (tuple(self._said.ids[rows]) for rows in (seen.given, seen.suggested))
        return Evidence(given, suggested, seen.reasons)

    def _believer(self) -> Believer | None:
        if self._embeddings is None or self._features is None:
            return None
        near = self._features.neighbours
        return believer(
            self._embeddings,
            self._said.labels.astype(np.intp),
            classes=len(self._said.vocab),
            groups=self._features.groups,
            neighbours=Neighbours(near, np.zeros(near.shape, dtype=np.float32)),
        )


class RoundLooking(Looking):
    """The images of one round of a project; see `agenda` for what is left out."""

    def __init__(
        self,
        result: Round,
        *,
        home: Path,
        engine: Engine,
        catalog: Callable[[], Catalog],
        standing: Callable[[], Standing],
    ) -> None:
        rounds, number = home / "rounds", result.number
        self.round, self._catalog = result, catalog
        features = load_features(round_folder(rounds, number))
        super().__init__(
            load_predictions(rounds, result=result),
            number=number,
            engine=engine,
            standing=standing,
            listed=lambda ranked, now: agenda(ranked, catalog=catalog(), standing=now, round=number),
            trained=result.config.mode == "full",
            features=features,
            embeddings=None if features is None else features.embeddings(home),
        )

    def contested(self) -> Queue:
        """Return what is contested of the images that are there under the label that the round knew.

        Of a label changed since nothing is known; those decided in earlier rounds stay.
        """
        return agenda(super().contested(), catalog=self._catalog(), standing={}, round=self.number)
