"""The order of a round's images, kept up with every verdict: the rest re-ranks at once, without retraining.

It joins what a network said with features that follow the reviewer; it fetches nothing and shows nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.ranking.beliefs import Believer, logarithms, normalised, odds
from cleaner.ranking.doubt import area_under_margin, network_doubt, scale
from cleaner.ranking.feedback import WEIGHT, confusion_log_odds, contradictions, tally
from cleaner.ranking.pooling import EVEN, pool
from cleaner.ranking.rows import Doubles, Rows
from cleaner.types import TRUST, Decision, Floats, Predictions, Queue, Standing, Strings

RENEWED = 10  # changes of the verdicts between two guesses of which confusions are errors


class LiveOrder:
    """Puts the images of a round in the order in which to look at them, and follows the verdicts on them.

    `believer` are features of the same N images, with the labels of `predictions` and no verdicts yet;
    `network` says whether the predictions are a trained network's, or that very believer's. How surprising a
    label is: by the network, by the believer, or the sum of both, each standardised among the images of one
    origin (what a network has learned from surprises it less) and heard as far as it foretells labels that
    neither has learned from; plus WEIGHT times the log-odds that such a
    confusion is an error. Raises InputError where a loss or a probability is not a number.
    """

    def __init__(
        self, predictions: Predictions, *, believer: Believer | None = None, network: bool = True
    ) -> None:
        _require_numbers(predictions)
        self._said, self._believer, self._trained = predictions, believer, network or believer is None
        self._rows = {identity: row for row, identity in enumerate(predictions.ids)}
        self._by_id = np.argsort(predictions.ids, kind="stable")
        self._given = predictions.labels.astype(np.intp)
        self._labels, self._weights = self._given.copy(), np.ones(len(predictions))
        self._standing: dict[str, Decision] = {}
        self._changes = 0
        self._honest = predictions.origins != "in-sample"
        self._network = logarithms(predictions.probs)
        self._quick = None if predictions.quick is None else logarithms(predictions.quick)
        self._doubt = network_doubt(predictions)
        self._say = self._weighed()
        self._look()
        self._asked = self._other  # the classes suggested before any verdict
        origins = self._origins()
        self._scales = [scale(part, origins) for part in self._parts()]
        self._shares = self._heard()
        self._whole = scale(self._sum(), origins)
        self._guess = self._guessed()

    def follow(self, standing: Standing) -> None:
        """Take up what has changed in the decisions that stand: new ones, others, and those taken back."""
        ids = [identity for identity in {*standing, *self._standing} if identity in self._rows]
        changed = [i for i in ids if standing.get(i) != self._standing.get(i)]
        self._standing = {i: standing[i] for i in ids if i in standing}
        if not changed:
            return
        rows = np.array(sorted(self._rows[i] for i in changed), dtype=np.intp)
        for row in rows:
            self._labels[row], self._weights[row] = self._meaning(int(row))
        if self._believer is not None:
            self._believer.update(rows, labels=self._labels[rows], weights=self._weights[rows])
            self._look()
        self._changes += 1
        if self._changes % RENEWED == 0:
            self._guess = self._guessed()

    def surprise(self) -> Doubles:
        """Return how surprising each given label is, [N]: higher = look first; about 0 on average."""
        centre, spread = self._whole
        errors, reviews = self._record()
        log_odds = confusion_log_odds(self._guess, errors=errors, reviews=reviews)
        return np.asarray((self._sum() - centre) / spread + WEIGHT * log_odds[self._given, self._other])

    def queue(self) -> Queue:
        """Return all images in the order of looking, the decided ones too; ties in the order of the ids."""
        return self._listed(self.surprise())

    def contested(self) -> Queue:
        """Return the reviewed images over which the model disagrees with the reviewer, worst first.

        Those kept or relabelled that it believes to be something else even so, and those nobody could tell.
        Their labels are the given ones: a verdict on them means what it always means.
        """
        against = odds(self._beliefs, self._labels)[0]
        doubtful = {
            identity
            for identity, decision in self._standing.items()
            if decision.action == "unsure"
            or (self._weights[self._rows[identity]] > 0 and against[self._rows[identity]] > 0)
        }
        listed = self._listed(against.astype(np.float64))
        return listed.take(np.array([identity in doubtful for identity in listed.ids], dtype=bool))

    def suggestions(self, identity: str, *, most: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the likeliest classes of an image with their probabilities, best first."""
        row = self._rows[identity]
        probs = np.exp(normalised(self._beliefs[:, row : row + 1]))[:, 0]
        best = np.argsort(-probs, kind="stable")[:most]
        return tuple((self._said.vocab[number], float(probs[number])) for number in best)

    def present(self) -> tuple[Rows, Doubles, NDArray[np.bool_]]:
        """Return the labels [N] as the verdicts leave them, what each counts, and which are sound.

        0 is what was taken out; sound are labels that a person has confirmed or given, or the model believes.
        """
        believed = odds(self._beliefs, self._labels)[0] < 0
        return self._labels, self._weights, (self._weights == TRUST) | ((self._weights > 0) & believed)

    # --- what the verdicts mean ---

    def _meaning(self, row: int) -> tuple[int, float]:
        """Return what label the verdict on an image leaves it, and how much that counts."""
        given, decision = int(self._given[row]), self._standing.get(self._said.ids[row])
        if decision is None or decision.action == "unsure":
            return given, 1.0
        if decision.action == "keep":
            return given, TRUST
        if decision.action == "relabel" and decision.label in self._said.vocab:
            return self._said.vocab.index(decision.label), TRUST
        return given, 0.0  # removed, or of a class that no model has seen

    def _record(self) -> tuple[Doubles, Doubles]:
        """Count the errors found and the images judged, by given class and the one suggested at first."""
        wrong, fine = [], []
        for identity, decision in self._standing.items():
            row = self._rows[identity]
            moved = decision.action == "relabel" and decision.label != self._said.vocab[self._given[row]]
            if moved or decision.action == "delete":
                wrong.append(row)
            elif decision.action == "keep":
                fine.append(row)
        classes = len(self._said.vocab)
        errors, kept = (
            tally(self._given[rows], self._asked[rows], classes=classes) for rows in (wrong, fine)
        )
        return errors, errors + kept

    # --- what is believed ---

    def _look(self) -> None:
        """Take up what the believer says now; `_beliefs` [K, N] is that with the network's word for it.

        The network has its say on images that it has not learned from, and none on others. Where there is no
        believer a quick head that was kept stands in for it, or the network speaks alone.
        """
        features = self._features()
        self._against = None
        if features is None:
            self._beliefs, self._other = self._network, odds(self._network, self._given)[1]
            return
        self._beliefs = features
        self._against, self._other = odds(features, self._given)
        if self._trained:
            network, own = self._say
            said = np.float32(own) * normalised(features) + np.float32(network) * self._network
            self._beliefs = np.where(self._honest, said, features)
            self._other = odds(self._beliefs, self._given)[1]

    def _features(self) -> Floats | None:
        """Return what the features say, log-probabilities [K, N] up to a constant for each image."""
        return self._quick if self._believer is None else self._believer.beliefs()

    def _weighed(self) -> tuple[float, float]:
        """Return how much the network and the features count, by the images that neither has learned from."""
        features = self._features()
        if features is None or not self._trained or not self._honest.any():
            return EVEN, EVEN
        some = self._honest
        return pool(self._network[:, some], features[:, some], self._given[some])

    def _heard(self) -> list[float]:
        """Return the weights of the standardised parts in their sum: their say, in units of their spread."""
        if self._against is None or not self._trained or not self._honest.any():
            return [1.0] * len(self._scales)
        against = (odds(self._network, self._given)[0], self._against)
        spreads = [part[self._honest].std() for part in against]
        shares = [float(say * spread) for say, spread in zip(self._say, spreads, strict=True)]
        return shares if any(shares) else [1.0, 1.0]

    def _origins(self) -> Strings:
        """Return what to standardise within, [N]; log-odds of one network alone compare as they are."""
        alike = len(self._parts()) == 1 and self._said.margins is None
        return np.full(len(self._said), "", dtype=object) if alike else self._said.origins

    def _guessed(self) -> Doubles:
        honest = self._honest | (self._against is not None)
        return contradictions(self._beliefs, self._labels, weights=self._weights * honest)

    def _parts(self) -> list[Doubles]:
        """Return what speaks against each label, [N] each, in log-odds or like them."""
        parts = [self._doubt] if self._trained else []
        return parts if self._against is None else [*parts, self._against.astype(np.float64)]

    def _sum(self) -> Doubles:
        parts = zip(self._parts(), self._scales, self._shares, strict=True)
        return np.asarray(sum(share * (part - centre) / spread for part, (centre, spread), share in parts))

    def _listed(self, surprise: Doubles) -> Queue:
        said, labels, rows = self._said, self._given, np.arange(len(self._said))
        beliefs = normalised(self._beliefs)
        ahead = beliefs[self._other, rows] > beliefs[labels, rows]
        suggested = np.where(ahead, self._other, labels).astype(np.int32)
        queue = Queue(
            vocab=said.vocab,
            ids=said.ids,
            scores=(1 / (1 + np.exp(-surprise))).astype(np.float32),
            labels=labels.astype(np.int32),
            suggested=suggested,
            confidence=np.exp(beliefs[suggested, rows]),
            given_probs=np.exp(beliefs[labels, rows]),
            origins=said.origins,
            late=_late(said),
        )
        return queue.take(self._by_id[np.argsort(-surprise[self._by_id], kind="stable")])


def _late(predictions: Predictions) -> NDArray[np.bool_]:
    """Mark the images whose label the network doubted on average while it learned, [N]."""
    if predictions.margins is None:
        return np.zeros(len(predictions), dtype=bool)
    return np.asarray(area_under_margin(predictions.margins) > 0)


def _require_numbers(predictions: Predictions) -> None:
    bad: NDArray[np.bool_] = ~(np.isfinite(predictions.losses) & np.isfinite(predictions.probs).all(axis=1))
    if bad.any():
        raise InputError(
            f"The prediction for {predictions.ids[int(bad.argmax())]!r} is not a number "
            f"({int(bad.sum())} such); train again with a lower learning rate."
        )
