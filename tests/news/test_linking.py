"""Linking: tags, cashtags, tickers and names; everyday words are not companies; the allow list holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import EventError
from robo_trader.news.linking import Linker
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)
EVERYBODY = Linker()


def news(title: str, **more: object) -> Event:
    return Event(kind="news", title=title, published_at=AT, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "symbols"),
    [
        ("Apple cuts its guidance", "AAPL"),
        ("Apple's iPhone sales fall in China", "AAPL"),
        ("Rival Apple to open its store", "AAPL"),
        ("8-K - APPLE INC (0000320193) (Filer)", "AAPL"),
        ("APPLE CUTS GUIDANCE", "AAPL"),
        ("Microsoft and Nvidia sign a deal", "MSFT NVDA"),
        ("Nvidia’s margin, Dell's and Macy’s", "NVDA DELL M"),
        ("Lockheed Martin ( NYSE:LMT ) , Northrop ( NYSE: NOC )", "LMT NOC"),
        ("Berkshire (BRK.B) buys more", "BRK.B"),
        ("AAPL jumps, TSLA drops", "AAPL TSLA"),
        ("$AAPL $TSLA to the moon", "AAPL TSLA"),
        ("Buy $ALL now", "ALL"),
        ("Allstate (NYSE: ALL) raises rates", "ALL"),
        ("Johnson & Johnson and P&G report", "JNJ PG"),
        ("AT&T raises its dividend", "T"),
        ("Visa profit beats estimates", "V"),
        ("Target shares slump after the holidays", "TGT"),
        ("Ford recalls a million vehicles", "F"),
        ("U.S. Steel rejects the bid", "X"),
        ("JPMorgan cuts its Tesla target", "JPM TSLA"),
        ("Shares fall (AAPL.O)", "AAPL"),
    ],
)
def test_companies(title: str, symbols: str) -> None:
    assert EVERYBODY.link(news(title)) == tuple(symbols.split())


@pytest.mark.parametrize(
    "title",
    ["Grandma's apple pie recipe", "Apple pie sales rise", "Big Apple tourism rises", "An apple a day",
     "A good year for ALL of IT", "IT IS ALL ON YOU", "CEO: ALL ARE ON BOARD", "GDP AND CPI DATA",
     "Price target raised", "Fed misses its target", "Amazon rainforest burns", "Visa applications fall",
     "President Ford's legacy", "Gerald Ford said so", "Shell companies used in fraud", "Oracle of Omaha"
     " speaks",
     "U.S. steel tariffs", "Snap election called", "Delta variant spreads", "Meta analysis finds little",
     "Carnival season in Rio", "progressive tax plan", "The gap between rich and poor", "Zoom in on"
     " inflation",
     "Microsoftware Inc", "x$AAPL", "AAPLE", "US$ 5", "$5 and $AB", "Nvidian", "(NYSE: )", "On now: key low"],
)  # fmt: skip
def test_everyday_words_are_no_companies(title: str) -> None:
    assert EVERYBODY.link(news(title)) == ()


def test_the_body_counts_where_it_begins() -> None:
    assert EVERYBODY.link(news("Shares fall", body="Nvidia fell. " + "x " * 2_000 + " Microsoft rose.")) == (
        "NVDA",
    )


def test_tags_of_a_feed() -> None:
    tags = ["NASDAQ:AAPL", "MSFT", "Markets", "ALL", "A", "$TSLA", "symbol: NVDA", "nonsense MSFT", 7, "aapl"]
    event = news("Shares fall", data={"tags": tags})
    assert EVERYBODY.link(event) == ("AAPL", "MSFT", "TSLA", "NVDA")
    assert Linker(["MSFT", "ALL"]).link(event) == ("MSFT",)


def test_a_sources_own_symbols() -> None:
    event = news("Shares fall", symbols=("QXYZ", "AAPL", "drop table", "BRK-B"))
    assert EVERYBODY.link(event) == ("QXYZ", "AAPL", "BRK.B")
    assert Linker(["AAPL"]).link(event) == ("AAPL",)
    assert Linker([]).link(event) == ()


def test_the_spelling_of_the_allow_list_is_returned() -> None:
    linker = Linker(["BRK B", "AAPL", "^VIX"])
    assert linker.link(news("Berkshire and Apple's deal")) == ("BRK B", "AAPL")
    assert linker.link(news("x", symbols=("^VIX", "BRK.B"))) == ("^VIX", "BRK B")


def test_aliases_of_ones_own() -> None:
    linker = Linker(["QQQQ"], aliases={"QQQQ": ["Widget & Sons", "~Widget"], "ZZZ": ["Zebra Corp"]})
    assert linker.link(news("Widget & Sons fails")) == ("QQQQ",)
    assert linker.link(news("A widget is a thing; Widget says so")) == ("QQQQ",)
    assert linker.link(news("A Widget of one's own")) == ()
    assert linker.link(news("Zebra Corp and Apple's deal")) == ()


def test_spoofed_tickers_stay_outside() -> None:
    linker = Linker(["AAPL", "MSFT"])
    for title in (
        "Apple (NASDAQ: FAKE) rises",
        "$FAKE $SPY Apple rises",
        "A\u0410PL FAKE",
        "AA\u200bPL rises $FAKE",
    ):
        assert set(linker.link(news(title))) <= {"AAPL"}
    assert linker.link(news("\u0410\u0410PL soars")) == ("AAPL",)  # folded; its flag says what to think of it


@given(
    st.text(max_size=120),
    st.lists(st.text(max_size=8), max_size=4),
    st.lists(st.text(max_size=20), max_size=4),
)
def test_nothing_outside_of_the_allow_list(title: str, symbols: list[str], tags: list[str]) -> None:
    event = news(title + " Apple's $TSLA NVDA", symbols=tuple(symbols), data={"tags": tags})
    assert set(Linker(["AAPL", "TSLA"]).link(event)) <= {"AAPL", "TSLA"}


def test_there_are_enough_companies() -> None:
    assert len(EVERYBODY._names) >= 300
    assert len({name.symbol for name in EVERYBODY._names.values()}) >= 250


def test_a_broken_names_file_says_where(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("symbol,aliases\nAAPL,Apple\nMSFT,\n")
    with pytest.raises(EventError, match="line 3: a row needs symbol and aliases"):
        Linker(companies=tmp_path / "x.csv")
    with pytest.raises(EventError, match="cannot read"):
        Linker(companies=tmp_path / "missing.csv")
