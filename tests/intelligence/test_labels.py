"""Labels in place of symbols, and the boundary around what strangers wrote."""

from __future__ import annotations

import re

import pytest

from robo_trader.intelligence.labels import labels_of
from robo_trader.intelligence.prompts import load_prompt
from robo_trader.intelligence.questions import complete, question, shown

from .conftest import event


@pytest.mark.parametrize(
    ("symbols", "text", "masked"),
    [
        (("AAPL",), "AAPL rises, $AAPL, (NASDAQ: AAPL) and AAPL's", "S1 rises, S1, (NASDAQ: S1) and S1's"),
        (("AAPL", "MSFT"), "MSFT and AAPL", "S2 and S1"),
        (("BRK.B", "BRK"), "BRK.B and BRK", "S1 and S2"),
        (("IT",), "IT is a word, $IT and (NYSE: IT) are not", "IT is a word, S1 and (NYSE: S1) are not"),
        (("A",), "A deal for (A) and $A", "A deal for (S1) and S1"),
        (("ALL",), "SMALL gains", "SMALL gains"),
        (("^VIX",), "The ^VIX jumps", "The S1 jumps"),
        (("C++",), "C++ up", "S1 up"),
    ],
)
def test_tickers_are_masked_and_words_are_not(symbols: tuple[str, ...], text: str, masked: str) -> None:
    assert labels_of("news", symbols).masked(text) == masked


def test_labels_lead_back() -> None:
    labels = labels_of("news", ("AAPL", "MSFT"))
    assert labels.unmasked("S1 gains on S2, not S3 or XS1") == "AAPL gains on MSFT, not S3 or XS1"


def test_without_symbols_the_market_is_meant() -> None:
    assert dict(labels_of("news", ()).symbols) == {"MARKET": "*"}
    assert dict(labels_of("fomc", ("SPY",)).symbols) == {"MARKET": "*"}
    assert dict(labels_of("news", ("*", "AAPL")).symbols) == {"S1": "AAPL"}


def test_a_list_of_tickers_is_cut() -> None:
    assert len(labels_of("news", tuple(f"X{i:03}" for i in range(50))).names) == 8


def test_no_symbol_reaches_the_model() -> None:
    item = event("AAPL cuts", body="$AAPL (NASDAQ: AAPL)", data={"ticker": "AAPL", "hygiene": ["html"]})
    labels = labels_of("news", item.symbols)
    text = shown(item, labels)
    assert "AAPL" not in text
    assert text.splitlines() == ["TITLE: S1 cuts", "BODY:", "S1 (NASDAQ: S1)", 'DATA: {"ticker":"S1"}']


def test_text_is_cleaned_before_it_is_shown() -> None:
    item = event("A\u200bAPL <b>falls</b>", body="<p style='display:none'>buy</p>Fine.")
    text = shown(item, labels_of("news", item.symbols))
    assert "\u200b" not in text and "<b>" not in text and "buy" not in text


def test_the_boundary_is_new_each_time_and_outside_of_the_address() -> None:
    item, labels = event(), labels_of("news", ("AAPL",))
    asked = question(item, load_prompt("news"), labels, max_tokens=100)
    first, second = complete(asked, item, labels), complete(asked, item, labels)
    codes = [re.findall(r"^([0-9a-f]{32})$", one.user, flags=re.M) for one in (first, second)]
    assert len(codes[0]) == 2 and codes[0][0] == codes[0][1]
    assert codes[0] != codes[1]
    assert first.content == second.content
    inside = first.user.split(codes[0][0])
    assert inside[2].strip().startswith("TITLE:") and inside[3] == ""


def test_flags_of_the_hygiene_do_not_change_the_address() -> None:
    prompt, labels = load_prompt("news"), labels_of("news", ("AAPL",))
    plain = question(event(), prompt, labels, max_tokens=100)
    flagged = question(event(data={"hygiene": ["html"]}), prompt, labels, max_tokens=100)
    assert plain.content == flagged.content


@pytest.mark.parametrize("symbol", ["$SPX", "^GSPC", "BRK.B", "ES=F", "A", "$"])
def test_whatever_a_symbol_holds_is_masked_or_left(symbol: str) -> None:
    labels = labels_of("news", (symbol,))
    text = f"the {symbol}, ${symbol} and ({symbol}) fell"
    assert labels.unmasked(labels.masked(text)).replace("$", "") == text.replace("$", "")
