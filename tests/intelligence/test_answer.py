"""The judge of what a model said."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.intelligence.answer import HORIZONS, SCHEMA, UNQUOTED, Judgements, load, parse
from robo_trader.intelligence.reply import BadAnswer, Status

from .conftest import says, view

SOURCE = "TITLE: S1 raises its guidance for the year\nBODY:\nDemand for  pumps\nwas strong."


def test_a_good_answer_is_read() -> None:
    (found,) = parse(says(view()), ["S1"], SOURCE)
    assert (found.label, found.score, found.confidence) == ("S1", 0.6, 0.8)
    assert found.horizon == timedelta(days=3)
    assert found.evidence == ("raises its guidance",)


def test_an_empty_list_is_an_answer() -> None:
    assert parse('{"views": []}', ["S1"], SOURCE) == ()


def test_views_come_in_the_order_of_the_labels() -> None:
    text = says(view("S2"), view("S1"))
    assert [j.label for j in parse(text, ["S1", "S2"], SOURCE)] == ["S1", "S2"]


@pytest.mark.parametrize(
    ("evidence", "kept", "confidence"),
    [
        (["raises its guidance"], 1, 0.8),
        (["Demand for pumps was strong."], 1, 0.8),  # white space apart
        (["raises its guidance", "profits will double"], 1, 0.8 * (UNQUOTED + (1 - UNQUOTED) / 2)),
        (["profits will double"], 0, 0.8 * UNQUOTED),
        (["Raises its guidance"], 0, 0.8 * UNQUOTED),  # not letter by letter
        (["S1"], 0, 0.8 * UNQUOTED),  # too short to prove anything
        ([], 0, 0.8 * UNQUOTED),
    ],
)
def test_evidence_must_stand_in_the_text(evidence: list[str], kept: int, confidence: float) -> None:
    (found,) = parse(says(view(evidence=evidence)), ["S1"], SOURCE)
    assert len(found.evidence) == kept
    assert found.confidence == pytest.approx(confidence)
    assert found.dropped == len(evidence) - kept


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": 1.01}, "score is 1.01, not a number from -1 to 1"),
        ({"score": True}, "score is True"),
        ({"score": "0.5"}, "score is '0.5'"),
        ({"score": None}, "score is None"),
        ({"confidence": -0.1}, "confidence is -0.1, not a number from 0 to 1"),
        ({"horizon": "soon"}, "horizon is 'soon', not one of 1h, 4h"),
        ({"horizon": ["1d"]}, "horizon is ['1d']"),
        ({"label": "AAPL"}, "there is no label 'AAPL'"),
        ({"label": ["S1"]}, "there is no label ['S1']"),
        ({"rationale": 3}, "rationale is 3, not text"),
        ({"evidence": "raises"}, "evidence is 'raises', not a list"),
        ({"evidence": [1]}, "evidence is [1], not a list of texts"),
        ({"order": "BUY"}, "a view has the extra key 'order'"),
    ],
)
def test_what_breaks_the_schema_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(BadAnswer, match=said.replace("[", r"\[").replace("]", r"\]")) as caught:
        parse(says(view(**change)), ["S1"], SOURCE)
    assert caught.value.status is Status.SCHEMA


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_breaks_the_schema(number: float) -> None:
    with pytest.raises(BadAnswer, match="is not a number") as caught:
        parse(says(view(score=number)), ["S1"], SOURCE)
    assert caught.value.status is Status.SCHEMA


@pytest.mark.parametrize("text", ["", "Bullish.", "{", "```json\n{}\n```", "[" * 100_000])
def test_what_is_no_json_is_malformed(text: str) -> None:
    with pytest.raises(BadAnswer, match="not JSON") as caught:
        parse(text, ["S1"], SOURCE)
    assert caught.value.status is Status.MALFORMED


@pytest.mark.parametrize(
    "text", ["[]", "null", "3", "{}", '{"views": {}}', '{"views": [1]}', '{"views": 0, "x": 1}']
)
def test_other_json_breaks_the_schema(text: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        parse(text, ["S1"], SOURCE)
    assert caught.value.status is Status.SCHEMA


def test_a_rationale_cannot_command_a_terminal() -> None:
    (found,) = parse(says(view(rationale="up\x1b[31m\nand \u202eaway")), ["S1"], SOURCE)
    assert found.rationale.isprintable()


def test_the_schema_is_strict_everywhere() -> None:
    """Strict structured output asks for every key and no other, at each level."""
    levels = [SCHEMA, SCHEMA["properties"]["views"]["items"]]
    for level in levels:
        assert level["additionalProperties"] is False
        assert level["required"] == list(level["properties"])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_VIEW = st.fixed_dictionaries(
    {
        "label": st.sampled_from(["S1", "S2", "S3", "MARKET"]) | _JSON,
        "score": st.floats(-2, 2) | _JSON,
        "confidence": st.floats(-1, 2) | _JSON,
        "horizon": st.sampled_from(list(HORIZONS)) | _JSON,
        "rationale": st.text(max_size=20) | _JSON,
        "evidence": st.lists(st.sampled_from(["raises its guidance", "x"]) | _JSON, max_size=3) | _JSON,
    },
    optional={"more": _JSON},
)


@given(_JSON | st.fixed_dictionaries({"views": st.lists(_VIEW, max_size=3)}))
def test_whatever_comes_is_bounded_or_refused(document: object) -> None:
    try:
        found = parse(json.dumps(document), ["S1", "S2"], SOURCE)
    except BadAnswer as bad:
        assert bad.status in (Status.SCHEMA, Status.MALFORMED)
        return
    assert all(-1 <= j.score <= 1 and 0 <= j.confidence <= 1 and j.label in ("S1", "S2") for j in found)
    assert load(json.loads(json.dumps(found.dump())), ["S1", "S2"]) == found


@pytest.mark.parametrize("rows", [None, 3, [[1]], [["S9", 0, 0, 1, "", [], 0]], [["S1", 9, 0, 1, "", [], 0]]])
def test_a_stored_answer_that_cannot_be_is_refused(rows: object) -> None:
    with pytest.raises(BadAnswer):
        load(rows, ["S1"])


def test_a_judged_answer_is_a_tuple() -> None:
    assert isinstance(parse('{"views": []}', ["S1"], SOURCE), Judgements)


@pytest.mark.parametrize(
    "text",
    [
        '{"views": [], ' + says(view())[1:],
        says(view()).replace('"score": 0.6', '"score": 0.6, "score": -0.6'),
        says(view()).replace('"score": 0.6', '"score": 1e999'),
        says(view()).replace('"score": 0.6', '"score": 9' + "9" * 400),
    ],
)
def test_json_that_readers_read_differently_breaks_the_schema(text: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        parse(text, ["S1"], SOURCE)
    assert caught.value.status is Status.SCHEMA


def test_quotations_beyond_what_is_looked_up_prove_nothing() -> None:
    (found,) = parse(
        says(view(evidence=["raises its guidance"] * 5 + ["never said at all"] * 15)), ["S1"], SOURCE
    )
    assert (len(found.evidence), found.dropped) == (5, 15)
    assert found.confidence == pytest.approx(0.8 * (0.25 + 0.75 * 0.25))


_ROW: list[Any] = ["S1", 0.5, 0.5, 86400.0, "why", ["quoted text"], 0]


@pytest.mark.parametrize(
    "rows",
    [
        [_ROW, _ROW],
        [[*_ROW[:4], 5, [], 0]],
        [[*_ROW[:4], "a\x1b[2J", [], 0]],
        [[*_ROW[:5], [5], 0]],
        [["S1", True, *_ROW[2:]]],
        [["S1", float("nan"), *_ROW[2:]]],
        [[*_ROW[:3], -1, *_ROW[4:]]],
        [[*_ROW[:3], 1e9, *_ROW[4:]]],
        [[["S1"], *_ROW[1:]]],
    ],
)
def test_a_store_edited_with_its_checksums_is_no_way_around_the_judge(rows: Any) -> None:
    assert load([_ROW], ["S1"])
    with pytest.raises(BadAnswer):
        load(rows, ["S1"])
