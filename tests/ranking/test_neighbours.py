from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleaner.errors import InputError, Stopped
from cleaner.ranking import neighbours as module
from cleaner.ranking.neighbours import STEP, Neighbours, nearest


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    """Let a few dozen images be many blocks."""
    monkeypatch.setattr("cleaner.ranking.rows.BLOCK", 8)


def _drawn(seed: int = 0, *, count: int = 60, width: int = 5):
    return np.random.default_rng(seed).normal(size=(count, width))


def _cosines(x):
    x = np.asarray(x, dtype=np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def _brute(x, *, k: int, groups=None) -> Neighbours:
    """Sort all pairs the slow way, by similarity as rounded and then by row."""
    groups = np.arange(len(x)) if groups is None else np.asarray(groups)
    cosines = np.round(_cosines(x) / STEP) * STEP
    rows = np.full((len(x), k), -1)
    similarities = np.full((len(x), k), -np.inf)
    for row in range(len(x)):
        others = np.flatnonzero(groups != groups[row])
        best = others[np.lexsort((others, -cosines[row, others]))][:k]
        rows[row, : len(best)], similarities[row, : len(best)] = best, cosines[row, best]
    return Neighbours(rows.astype(np.int32), similarities.astype(np.float32))


def _is_as_brute(found: Neighbours, x, *, k: int, groups=None) -> None:
    """Compare where rounding can't tell apart what is equally near."""
    brute = _brute(x, k=k, groups=groups)
    np.testing.assert_array_equal(found.rows >= 0, brute.rows >= 0)
    np.testing.assert_allclose(found.similarities, brute.similarities, atol=2 * STEP)
    nearness = np.where(brute.rows >= 0, brute.similarities, -9)
    clear = np.abs(np.diff(nearness, axis=1, prepend=9, append=-99)) > 4 * STEP
    clear = clear[:, :-1] & clear[:, 1:] & (brute.rows >= 0)
    np.testing.assert_array_equal(found.rows[clear], brute.rows[clear])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 12), st.integers(1, 45), st.booleans())
def test_the_nearest_are_those_of_comparing_every_pair(seed, count, width, k, grouped) -> None:
    x = _drawn(seed, count=count, width=width)
    groups = np.random.default_rng(seed).integers(0, count, count) if grouped else None
    _is_as_brute(nearest(x, k=k, groups=groups), x, k=k, groups=groups)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [7, 8, 9, 16, 61])
@pytest.mark.parametrize("grouped", [False, True])
def test_blocks_change_nothing(count: int, grouped: bool) -> None:
    x = _drawn(count=count)
    groups = np.arange(count) % 9 if grouped else None
    for k in (1, 4, 12):
        _is_as_brute(nearest(x, k=k, groups=groups), x, k=k, groups=groups)


@pytest.mark.usefixtures("small_blocks")
def test_ties_go_to_the_lower_row() -> None:
    x = np.eye(3)[np.random.default_rng(0).integers(0, 3, 50)]
    found, brute = nearest(x, k=20), _brute(x, k=20)
    np.testing.assert_array_equal(found.rows, brute.rows)
    np.testing.assert_array_equal(found.similarities, brute.similarities)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("width", [3, 100])
def test_of_embeddings_that_are_all_alike_the_first_others_are_taken(width: int) -> None:
    found = nearest(np.tile(_drawn(count=1, width=width), (30, 1)).astype(np.float32), k=4)
    assert found.rows[0].tolist() == [1, 2, 3, 4]
    assert found.rows[2].tolist() == [0, 1, 3, 4]
    assert (found.rows[4:] == [0, 1, 2, 3]).all()
    assert (found.similarities == 1).all()


@pytest.mark.parametrize("count", [0, 1])
def test_without_others_there_are_no_neighbours(count: int) -> None:
    found = nearest(np.ones((count, 4)), k=3)
    assert found.rows.tolist() == [[-1] * 3] * count
    assert (found.similarities == -np.inf).all()
    assert (found.rows.dtype, found.similarities.dtype) == (np.int32, np.float32)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0])
def test_an_embedding_that_points_nowhere_has_no_neighbours_and_is_nobodys(bad: float) -> None:
    x = _drawn(count=20)
    x[[3, 11], 2 if bad else slice(None)] = bad
    found = nearest(x, k=19)
    good = np.delete(np.arange(20), [3, 11])
    assert (found.rows[[3, 11]] == -1).all()
    assert not np.isin(found.rows, [3, 11]).any()
    assert (np.sort(found.rows[good][:, :17], axis=1) == [np.delete(good, i) for i in range(18)]).all()


def test_embeddings_without_any_number_have_no_neighbours() -> None:
    assert (nearest(np.full((9, 3), np.nan, dtype=np.float16)).rows == -1).all()


@pytest.mark.usefixtures("small_blocks")
def test_half_precision_on_disk_is_read_block_by_block(tmp_path) -> None:
    np.save(tmp_path / "rows.npy", _drawn().astype(np.float16))
    x = np.load(tmp_path / "rows.npy", mmap_mode="r")
    sizes = []

    class Watched:
        shape, dtype = x.shape, x.dtype

        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, rows):
            sizes.append(len(x[rows]))
            return x[rows]

    _is_as_brute(nearest(Watched(), k=10), x, k=10)
    assert max(sizes) == 8


@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e20, 1e37, 1e300])
def test_only_the_direction_of_an_embedding_counts(scale: float) -> None:
    x = _drawn(count=20)
    dtype = np.float32 if scale < 1e38 else np.float64
    np.testing.assert_array_equal(nearest((x * scale).astype(dtype), k=5).rows, nearest(x, k=5).rows)


def test_the_same_question_gets_the_same_answer_to_the_bit() -> None:
    x = _drawn(count=300).astype(np.float16)
    one, two = nearest(x, k=7), nearest(x, k=7)
    assert one.rows.tobytes() + one.similarities.tobytes() == two.rows.tobytes() + two.similarities.tobytes()


def test_leaving_groups_out_later_keeps_the_order_and_adds_none() -> None:
    x, groups = _drawn(count=40), np.arange(40) // 3
    later, at_once = nearest(x, k=39).without(groups), nearest(x, k=39, groups=groups)
    np.testing.assert_array_equal(later.rows, at_once.rows)
    np.testing.assert_array_equal(later.similarities, at_once.similarities)
    few = nearest(x, k=3).without(groups)
    for row in range(40):
        kept = few.rows[row][few.rows[row] >= 0]
        np.testing.assert_array_equal(kept, at_once.rows[row][: len(kept)])


@pytest.mark.usefixtures("small_blocks")
def test_it_says_how_far_it_is_and_stops_when_asked() -> None:
    heard = []
    nearest(_drawn(count=20), report=heard.append)
    assert [told.done for told in heard] == list(range(7))
    assert {told.total for told in heard} == {6}
    answers = iter([False, False, True])
    with pytest.raises(Stopped, match="20 images were being compared"):
        nearest(_drawn(count=20), stopped=lambda: next(answers))


@pytest.mark.parametrize(
    ("x", "asked", "said"),
    [
        (np.zeros(3), {}, r"must have two axes, \[N, D\], but these are \[3\]"),
        (np.zeros((3, 2)), {"k": 0}, "0 neighbours can't be found"),
        (np.zeros((3, 2)), {"groups": [0, 1]}, "groups must be 3 whole numbers"),
        (np.zeros((3, 2)), {"groups": ["a", "b", "c"]}, "groups must be 3 whole numbers"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(x, asked: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        nearest(x, **asked)


# --- above LIMIT -----------------------------------------------------------------------------------


@pytest.fixture
def many(monkeypatch) -> None:
    """Let a thousand images be too many to compare every pair."""
    monkeypatch.setattr(module, "LIMIT", 100)
    monkeypatch.setattr(module, "PROBED", 16)


def _clustered(*, count: int = 1500):
    random = np.random.default_rng(0)
    return random.normal(size=(count, 16)) + 2 * random.normal(size=(30, 16))[np.arange(count) % 30]


@pytest.mark.usefixtures("many")
def test_above_the_limit_nearly_all_of_the_nearest_are_found() -> None:
    x, groups = _clustered(), np.arange(1500) // 2
    brute, found = _brute(x, k=20, groups=groups), nearest(x, k=20, groups=groups)
    hits = [len(np.intersect1d(*pair)) for pair in zip(found.rows, brute.rows, strict=True)]
    assert np.mean(hits) / 20 > 0.95
    assert sum(hits) < 1500 * 20  # or it was not the search through a part that was tested
    assert not (found.rows // 2 == np.arange(1500)[:, None] // 2).any()
    assert (np.diff(found.similarities, axis=1) <= 0).all()
    at = np.take_along_axis(_cosines(x), found.rows, axis=1)
    np.testing.assert_allclose(found.similarities, at, atol=1e-3)


@pytest.mark.usefixtures("many")
def test_above_the_limit_a_large_group_still_has_neighbours_outside() -> None:
    x, groups = _clustered(), np.arange(1500)
    x[:200], groups[:200] = x[0], 0
    found = nearest(x, k=20, groups=groups)
    assert (found.rows[:200] >= 200).all()


@pytest.mark.usefixtures("many")
def test_above_the_limit_an_embedding_that_points_nowhere_is_left_out() -> None:
    x = _clustered(count=400)
    x[7], x[8, 3] = 0, np.nan
    found = nearest(x, k=5)
    assert (found.rows[7:9] == -1).all()
    assert not np.isin(found.rows, [7, 8]).any()
    assert (np.delete(found.rows, [7, 8], axis=0) >= 0).all()


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("value", [np.nan, 0.0, 2.5])
def test_above_the_limit_embeddings_that_say_nothing_break_nothing(value: float) -> None:
    found = nearest(np.full((200, 3), value), k=4)
    assert ((found.rows >= 0) == (value == 2.5)).all()


@pytest.mark.usefixtures("many")
def test_above_the_limit_it_tells_and_stops_too() -> None:
    heard = []
    nearest(_clustered(count=300), report=heard.append)
    assert heard[-1].done == heard[-1].total == 300
    with pytest.raises(Stopped):
        nearest(_clustered(count=300), stopped=lambda: True)


@pytest.mark.usefixtures("many")
def test_without_the_library_every_pair_is_compared(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    x = _clustered(count=300)
    _is_as_brute(nearest(x, k=20), x, k=20)
