"""Frames and fields: what is written reads back, what is wrong says where."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.gateway import wire
from robo_trader.gateway.versions import negotiated, proposal
from robo_trader.gateway.wire import Fields, WireError

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def _fields(*values: object) -> Fields:
    return Fields.of(wire.encode(*values)[4:])


@given(st.lists(_TEXT, min_size=1, max_size=20))
def test_texts_read_back(values: list[str]) -> None:
    fields = _fields(*values)
    assert [fields.text() for _ in values] == values
    fields.done()


@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 6)), st.integers(-(2**40), 2**40), st.booleans())
def test_numbers_read_back(real: float, whole: int, flag: bool) -> None:
    fields = _fields(real, whole, flag)
    assert fields.real() == pytest.approx(real, abs=1e-9)
    if whole == 2_147_483_647:
        whole = 0
    assert (fields.integer(), fields.flag()) == (whole, flag)


@pytest.mark.parametrize("text", ["", wire.UNSET_DOUBLE, wire.UNSET_INTEGER])
def test_every_way_of_saying_nothing(text: str) -> None:
    assert _fields(text).real(-1.0) == -1.0
    assert _fields(text).integer(-1) == -1
    assert _fields(text).unset() == ""


def test_infinity_is_a_word() -> None:
    assert math.isinf(_fields("Infinite").real())
    assert wire.number(math.inf) == "Infinite"


@pytest.mark.parametrize("text", ["x", "1e", "nan", "--1", "0x10"])
def test_garbage_is_no_number(text: str) -> None:
    with pytest.raises(WireError, match="not a number"):
        _fields(text).real()
    with pytest.raises(WireError, match="not an integer"):
        _fields(text).integer()


def test_missing_and_superfluous_fields_are_named() -> None:
    with pytest.raises(WireError, match="ends after 1 fields"):
        fields = _fields("a")
        fields.skip(2)
    with pytest.raises(WireError, match="1 fields are left over, beginning with 'b'"):
        fields = _fields("a", "b")
        fields.text()
        fields.done()
    with pytest.raises(WireError, match="does not end with a NUL"):
        Fields.of(b"3\x001")


@pytest.mark.parametrize("count", ["-1", "1001", "99999999"])
def test_unbelievable_lists_are_refused(count: str) -> None:
    with pytest.raises(WireError, match="announces"):
        _fields(count).count()


def test_prose_is_ascii_and_escaped_once() -> None:
    assert wire.words("Größe \\ 1") == "Gr\\xf6\\xdfe \\\\ 1"
    assert wire.words("Größe \\ 1").encode().decode("unicode-escape") == "Größe \\ 1"


def test_sizes_are_whole_below_163() -> None:
    assert (wire.size(100.0, 162), wire.size(0.5, 162)) == ("100", "0")
    assert (wire.size(100.0, 163), wire.size(0.5, 163)) == ("100", "0.5")


def test_oversize_and_empty_frames_are_not_read() -> None:
    async def read(data: bytes) -> bytes:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await wire.read_frame(reader, 10)

    assert asyncio.run(read(wire.frame(b"1\0"))) == b"1\0"
    for length in (0, 11, 2**32 - 1):
        with pytest.raises(WireError, match=f"a frame of {length} bytes"):
            asyncio.run(read(length.to_bytes(4, "big") + b"xxxx"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v157..176", (157, 176)),
        ("v100..157 +PACEAPI", (100, 157)),
        ("v178", (178, 178)),
        ("v", None),
        ("GET /", None),
        ("v1..99999999", None),
    ],
)
def test_proposals(text: str, expected: tuple[int, int] | None) -> None:
    assert proposal(text) == expected


def test_negotiation() -> None:
    assert negotiated(157, 176) == 176
    assert negotiated(100, 225) == 178
    assert negotiated(100, 225, highest=160) == 160
    assert negotiated(100, 156) is None
    assert negotiated(179, 225) is None
