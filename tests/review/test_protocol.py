"""Whatever the browser sends is understood, or refused in a sentence."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import Refused
from cleaner.review.protocol import AskDecide, AskPage, AskUndo, Terms, parse, request_of

TERMS = Terms(label_of={"a.jpg": "cat", "b.jpg": "dog"}.get, vocab=("cat", "dog", "cow"), pages=3)


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
    {"kind": st.sampled_from(["page", "decide", "undo"]) | JSON, "request": st.just(1) | JSON},
    optional={"page": JSON, "verdicts": JSON | st.lists(st.fixed_dictionaries({"id": JSON, "action": JSON}))},
)


@given(JSON | SHAPED)
def test_no_message_does_anything_but_parse_or_be_refused(hostile: object) -> None:
    request_of(hostile)
    with suppress(Refused):
        asked = parse(hostile, terms=TERMS)
        assert isinstance(asked, AskPage | AskUndo) or asked == AskDecide(())
