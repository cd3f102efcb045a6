"""Whatever the browser sends is understood, or refused in a sentence."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import Refused
from cleaner.review.filters import Filter
from cleaner.review.protocol import (
    ASKS,
    AskDecide,
    AskEvidence,
    AskFind,
    AskFull,
    AskNear,
    AskPage,
    AskRedo,
    AskUndo,
    Terms,
    parse,
    request_of,
)

TERMS = Terms(
    label_of={"a.jpg": "cat", "b.jpg": "dog"}.get,
    vocab=("cat", "dog", "cow"),
    pages=3,
    found={7: 2},
    class_problem=lambda name: "it has a slash" if "/" in name else None,
    issues=("blurry",),
)
ANYTHING = {"given": None, "suggested": None, "origin": None, "verdict": None, "name": ""}


def message(**fields: object) -> dict[str, object]:
    return {"kind": "decide", "request": 1, **fields}


def verdicts(*entries: object) -> dict[str, object]:
    return message(verdicts=list(entries))


def entry(**fields: object) -> dict[str, object]:
    return {"id": "a.jpg", "action": "keep", "label": None, **fields}


def test_each_kind_of_message_is_understood() -> None:
    assert parse(message(kind="page", page=2), terms=TERMS) == AskPage(2)
    assert parse(message(kind="page", page=None), terms=TERMS) == AskPage(None)
    assert parse(message(kind="undo"), terms=TERMS) == AskUndo()
    assert parse(message(kind="page", page=1, found=7), terms=TERMS) == AskPage(1, found=7)
    assert parse(message(kind="undo", found=7), terms=TERMS) == AskUndo(7)
    assert parse(message(kind="redo"), terms=TERMS) == AskRedo()
    assert parse(message(kind="full", id="a.jpg"), terms=TERMS) == AskFull("a.jpg")
    assert parse(message(kind="evidence", id="b.jpg"), terms=TERMS) == AskEvidence("b.jpg")
    assert parse(message(kind="near", id="b.jpg"), terms=TERMS) == AskNear("b.jpg")
    wanted = {
        **ANYTHING,
        "given": "cat",
        "origin": "held-out",
        "verdict": "errors",
        "name": "IMG",
        "issue": "blurry",
    }
    found = parse(message(kind="find", filter=wanted), terms=TERMS)
    assert found == AskFind(
        Filter(given="cat", origin="held-out", verdict="errors", name="IMG", issue="blurry")
    )
    asked = parse(verdicts(entry(), entry(id="b.jpg", action="relabel", label="cow")), terms=TERMS)
    assert asked == AskDecide((("a.jpg", "keep", None), ("b.jpg", "relabel", "cow")))


@pytest.mark.parametrize(
    ("hostile", "sentence"),
    [
        ("drop table", "no message"),
        (None, "no message"),
        ({"kind": "undo"}, "without a request number"),
        ({"kind": "undo", "request": "1"}, "without a request number"),
        ({"kind": "undo", "request": True}, "without a request number"),
        (message(kind="eval"), "'eval' is no kind"),
        (message(kind=["decide"]), "is no kind"),
        (message(kind="page", page=3), "no page 3; this queue has pages 0 to 2"),
        (message(kind="page", page=-1), "no page -1"),
        (message(kind="page", page="../../etc"), "no page"),
        (message(kind="page", page=True), "no page True"),
        (message(kind="page", page=2, found=7), "no page 2; this queue has pages 0 to 1"),
        (message(kind="page", page=0, found=8), "is gone; choose the filter again"),
        (message(kind="undo", found="7"), "is gone; choose the filter again"),
        (message(kind="full", id="../../etc/passwd"), "not in this queue"),
        (message(kind="evidence", id=None), "not in this queue"),
        (message(kind="find", filter="cat"), "did not come as one"),
        (message(kind="find", filter={**ANYTHING, "given": "lynx"}), "'lynx' is nothing that a filter"),
        (message(kind="find", filter={**ANYTHING, "verdict": "__class__"}), "is nothing that a filter"),
        (message(kind="find", filter={**ANYTHING, "origin": ["held-out"]}), "is nothing that a filter"),
        (message(kind="find", filter={**ANYTHING, "issue": "dark"}), "is nothing that a filter"),
        (message(kind="find", filter={**ANYTHING, "name": "x" * 501}), "at most 500 characters"),
        (message(kind="find", filter={**ANYTHING, "name": None}), "at most 500 characters"),
        (message(verdicts="keep"), "did not come as a list"),
        (message(verdicts=[entry()] * 10_001), "10,001 verdicts came at once; send at most 10,000"),
        (verdicts("a.jpg"), "is no verdict"),
        (verdicts(entry(id="/etc/passwd")), "'/etc/passwd' is not in this queue"),
        (verdicts(entry(id=["a.jpg"])), "is not in this queue"),
        (verdicts(entry(action="burn")), "'burn' is no verdict"),
        (verdicts(entry(action={})), "is no verdict"),
        (verdicts(entry(label="cat")), "only a relabel carries one"),
        (verdicts(entry(action="relabel")), "None is not one of the 3 classes"),
        (verdicts(entry(action="relabel", label=7)), "7 is not one of the 3 classes"),
        (verdicts(entry(action="relabel", label="../x")), "is not one of the 3 classes"),
        (verdicts(entry(action="relabel", label="cat")), "labelled 'cat' already; mark it as fine"),
        (verdicts(entry(), entry(id="c.jpg")), "'c.jpg' is not in this queue"),
    ],
)
def test_what_is_malformed_is_refused_in_a_sentence(hostile: object, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        parse(hostile, terms=TERMS)


def test_a_new_class_is_taken_when_it_is_said_to_be_new_and_its_name_will_do() -> None:
    lynx = [entry(action="relabel", label="lynx")]
    assert parse(message(verdicts=lynx, new=True), terms=TERMS) == AskDecide((("a.jpg", "relabel", "lynx"),))
    for known in ("dog", "cow"):
        parse(message(verdicts=[entry(action="relabel", label=known)], new=True), terms=TERMS)
    with pytest.raises(Refused, match="is not one of the 3 classes"):
        parse(message(verdicts=lynx), terms=TERMS)
    with pytest.raises(Refused, match="This can't be a class: it has a slash"):
        parse(message(verdicts=[entry(action="relabel", label="../x")], new=True), terms=TERMS)
    with pytest.raises(Refused, match="No class can be added here"):
        parse(message(verdicts=lynx, new=True), terms=replace(TERMS, class_problem=None))


def test_a_refusal_does_not_repeat_a_whole_hostile_text() -> None:
    with pytest.raises(Refused) as caught:
        parse(verdicts(entry(id="x" * 100_000)), terms=TERMS)
    assert len(str(caught.value)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {"kind": st.sampled_from(ASKS) | JSON, "request": st.just(1) | JSON},
    optional={
        "page": JSON,
        "found": JSON,
        "id": JSON,
        "filter": JSON | st.fixed_dictionaries({"given": JSON, "verdict": JSON, "name": JSON}),
        "new": st.booleans(),
        "verdicts": JSON | st.lists(st.fixed_dictionaries({"id": JSON, "action": JSON})),
    },
)


@given(JSON | SHAPED)
def test_no_message_does_anything_but_parse_or_be_refused(hostile: object) -> None:
    request_of(hostile)
    with suppress(Refused):
        asked = parse(hostile, terms=TERMS)
        assert isinstance(asked, AskPage | AskUndo | AskRedo | AskFind) or asked == AskDecide(())


def test_a_filter_speaks_of_what_was_chosen_elsewhere_only_while_it_is() -> None:
    wanted = message(kind="find", filter={**ANYTHING, "chosen": "from the map"})
    with pytest.raises(Refused, match="from the map"):
        parse(wanted, terms=TERMS)
    found = parse(wanted, terms=replace(TERMS, chosen="from the map"))
    assert found == AskFind(Filter(chosen="from the map"))
