"""Like images lie together on the map: at once roughly, then by neighbourhoods, for as many as there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cleaner.app import places
from cleaner.app.mapping import keep_places, kept_places
from cleaner.app.places import neighbourhoods, of_probabilities, overview
from cleaner.errors import Stopped
from cleaner.progress import Progress
from cleaner.types import Floats


def clusters(each: int, *, many: int = 3, dims: int = 12, seed: int = 0) -> tuple[Floats, np.ndarray]:
    random = np.random.default_rng(seed)
    middles = random.normal(size=(many, dims)) * 4
    of = np.repeat(np.arange(many), each)
    return (middles[of] + random.normal(size=(many * each, dims)) * 0.3).astype(np.float32), of


def own_nearest(laid: Floats, of: np.ndarray) -> float:
    """Return the share of points whose nearest other on the map is of their own cluster."""
    apart = ((laid[:, None] - laid[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((of[apart.argmin(axis=1)] == of).mean())


def test_clusters_lie_apart_at_once_and_by_neighbourhoods() -> None:
    vectors, of = clusters(30)
    assert own_nearest(overview(vectors), of) == 1
    reports: list[Progress] = []
    assert own_nearest(neighbourhoods(vectors, report=reports.append), of) == 1
    assert [said.done for said in reports] == [0, 1, 2, 3]


def test_of_many_images_some_are_arranged_and_the_others_go_beside_their_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "LANDMARKS", 40)
    vectors, of = clusters(60, many=4)
    laid = neighbourhoods(vectors)
    assert np.isfinite(laid).all()
    assert own_nearest(laid, of) > 0.98


def test_the_same_vectors_lie_at_the_same_places() -> None:
    vectors, _ = clusters(20)
    np.testing.assert_array_equal(neighbourhoods(vectors), neighbourhoods(vectors.copy()))
    np.testing.assert_array_equal(overview(vectors), overview(vectors.copy()))


def test_what_has_no_numbers_has_no_place_and_disturbs_nobody() -> None:
    vectors, of = clusters(20)
    vectors[7] = np.nan
    for laid in (overview(vectors), neighbourhoods(vectors)):
        assert np.isnan(laid[7]).all()
        rest = np.arange(len(of)) != 7
        assert np.isfinite(laid[rest]).all()
        assert own_nearest(laid[rest], of[rest]) > 0.98


@pytest.mark.parametrize("shape", [(0, 8), (1, 8), (3, 8), (5, 8), (40, 1), (40, 2)])
def test_few_images_and_few_numbers_have_places_too(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for laid in (overview(vectors), neighbourhoods(vectors)):
        assert laid.shape == (shape[0], 2)
        assert np.isfinite(laid).all()


def test_equal_images_lie_at_finite_places() -> None:
    vectors = np.tile(np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32), (30, 1))
    assert np.isfinite(neighbourhoods(vectors)).all()


def test_it_can_be_stopped_and_then_has_changed_nothing() -> None:
    asked = iter([False, True])
    with pytest.raises(Stopped):
        neighbourhoods(clusters(20)[0], stopped=lambda: next(asked))


def test_predictions_stand_in_where_there_are_no_features() -> None:
    probs = np.array([[0.98, 0.01, 0.01], [0.99, 0.005, 0.005], [0.01, 0.98, 0.01], [0, 1, 0]], np.float32)
    vectors = of_probabilities(probs)
    np.testing.assert_allclose((vectors**2).sum(axis=1), 1, atol=1e-5)
    assert own_nearest(overview(vectors), np.array([0, 0, 1, 1])) == 1


def test_places_are_kept_for_these_very_vectors_only(tmp_path: Path) -> None:
    vectors, _ = clusters(4)
    laid = overview(vectors)
    folder = tmp_path / "maps"
    assert kept_places(vectors, folder=folder) is None
    keep_places(vectors, laid, folder=folder)
    np.testing.assert_array_equal(kept_places(vectors, folder=folder), laid)
    assert kept_places(vectors + 1, folder=folder) is None
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert kept_places(vectors, folder=folder) is None
    for number in range(12):
        keep_places(vectors + number, laid, folder=folder)
    assert len(list(folder.iterdir())) == 8
    keep_places(vectors, laid, folder=file)  # a folder that can't be made


def test_neighbourhoods_keep_more_of_who_is_near_whom_than_the_overview() -> None:
    vectors, of = clusters(25, many=6, dims=20, seed=3)
    assert own_nearest(neighbourhoods(vectors), of) >= own_nearest(overview(vectors), of)
