"""Events with figures, rate decisions and longer texts."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.intelligence.offline.rates import decision, stance
from robo_trader.intelligence.offline.tokens import Text
from robo_trader.records import Abstain, Event, View

ANALYST = OfflineAnalyst()


def _read(kind: str, title: str, body: str = "", **data: Any) -> View | None:
    at = datetime(2024, 9, 18, 18, tzinfo=UTC)
    answer = ANALYST.read(
        Event(kind=kind, title=title, body=body, published_at=at, data=data, symbols=("X",))
    )
    return None if isinstance(answer, Abstain) else answer[0]


def _certain(view: View | None) -> View:
    assert view is not None
    return view


def test_a_cut_beyond_what_was_expected_is_good_and_below_it_bad() -> None:
    more = _certain(_read("fomc", "FOMC statement", change_bp=-50, expected_bp=-25))
    less = _certain(_read("fomc", "FOMC statement", change_bp=-25, expected_bp=-50))
    assert more.score == -less.score > 0.5
    assert more.confidence == less.confidence > 0.6
    assert "-25 bp was expected" in more.because


def test_what_was_expected_moves_nothing() -> None:
    assert _certain(_read("fomc", "FOMC statement", change_bp=25, expected_bp=25)).score == 0
    assert _certain(_read("news", "Fed raises rates by 25 bp, as expected")).score == 0


@pytest.mark.parametrize(
    ("headline", "sign"),
    [
        ("Fed cuts rates by 50 basis points, more than expected", 1),
        ("Fed hikes rates by 25 bp, less than expected", 1),
        ("ECB hikes rates by a surprise 50 bps", -1),
        ("Fed leaves rates unchanged, defying expectations for a cut", -1),
        ("Fed leaves rates unchanged despite bets on a rate hike", 1),
    ],
)
def test_headlines_say_what_was_expected(headline: str, sign: int) -> None:
    view = _certain(_read("news", headline))
    assert view.score * sign > 0.3 and view.confidence == 0.5


def test_a_statement_speaks_of_the_economy() -> None:
    """Its "larger than expected" is not about the decision."""
    body = (
        "Growth was larger than expected. " + "The economy is described here. " * 15
        + "The Committee decided to lower the target range for the federal funds rate by 1/4 point."
    )  # fmt: skip
    assert "not known" in _certain(_read("fomc", "FOMC statement", body=body)).because


def test_a_bare_change_counts_at_lower_confidence() -> None:
    cut = _certain(_read("fomc", "FOMC statement", change_bp=-50))
    assert cut.score > 0.3 and cut.confidence <= 0.35
    assert "not known" in cut.because
    assert _read("fomc", "FOMC statement", change_bp=0) is None


@pytest.mark.parametrize("change", [None, "x", float("nan"), float("inf"), 10**400, True, [1]])
def test_a_change_that_is_no_number_counts_as_absent(change: object) -> None:
    assert _read("fomc", "FOMC statement", change_bp=change) is None


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (
            "The Committee decided to lower the target range for the federal funds rate by 1/2 point",
            -50,
        ),
        ("The Committee decided to raise its target for the federal funds rate by 25 bp", 25),
        ("The Committee decided to maintain the target range for the federal funds rate", 0),
        ("ECB cuts its deposit rate by a quarter point", -25),
        ("Bank of England raises Bank Rate 50 bps", 50),
        ("Fed may cut rates in June", None),
        ("Traders bet that the Fed will cut rates", None),
        ("Apple cuts its guidance", None),
    ],
)
def test_decisions_are_read_from_words(text: str, change: float | None) -> None:
    assert decision(Text(text)) == change


def test_decisions_of_real_statements(data_dir: Path) -> None:
    """On the statements of 2009 to 2025: each change is found with its sign, and tone goes with it."""
    folder = data_dir / "open" / "fomc"
    tones: dict[int, list[float]] = {-1: [], 0: [], 1: []}
    right, changes, found = 0, 0, 0
    with (folder / "fomc_decisions_2009_2025.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["change_bp"]]
    for row in rows:
        text = Text((folder / "statements" / row["file"]).read_text(encoding="utf-8").split("---", 2)[2])
        change, told = float(row["change_bp"]), decision(text)
        sign = (change > 0) - (change < 0)
        tones[sign].append(stance(text)[0])
        right += told is not None and ((told > 0) - (told < 0)) == sign
        changes += bool(change)
        found += bool(change) and told is not None and told * change > 0
    assert found == changes == 28
    # The seven misses are of 2013 and 2014, which speak of "appropriate to maintain" only.
    assert right / len(rows) >= 0.94
    assert mean(tones[1]) < -0.4 < 0 < 0.15 < mean(tones[-1])


def test_results_against_estimates() -> None:
    good = _certain(_read("earnings", "Acme reports", eps_actual=1.2, eps_expected=1.0))
    bad = _certain(_read("earnings", "Acme reports", eps_actual=0.9, eps_consensus=1.0))
    both = _certain(
        _read("earnings", "Acme", eps_actual=1.2, eps_estimate=1, revenue_actual=90, revenue_forecast=100)
    )
    assert good.score > 0.8 and bad.score < -0.7
    assert abs(both.score) < good.score and "revenue 90 below the 100 expected" in both.because


def test_a_cut_of_guidance_beside_good_figures_is_not_lost() -> None:
    alone = _certain(_read("earnings", "Acme reports", eps_actual=1.2, eps_expected=1.0))
    beside = _certain(_read("earnings", "Acme cuts its guidance", eps_actual=1.2, eps_expected=1.0))
    assert beside.score < alone.score and beside.confidence < alone.confidence


@pytest.mark.parametrize(
    ("title", "actual", "sign"),
    [
        ("US CPI m/m", 0.4, -1),
        ("US CPI m/m", 0.1, 1),
        ("Nonfarm payrolls", 300_000, 1),
        ("Unemployment rate", 4.5, -1),
    ],
)
def test_indicators_against_consensus(title: str, actual: float, sign: int) -> None:
    expected = {0.4: 0.2, 0.1: 0.2, 300_000: 180_000, 4.5: 4.2}[actual]
    view = _certain(_read("macro", title, actual=actual, expected=expected))
    assert view.score * sign > 0.2
    before = _certain(_read("macro", title, actual=actual, previous=expected))
    assert before.confidence < view.confidence


@pytest.mark.parametrize("value", [float("inf"), 10**400, "1.2", None, True])
def test_figures_that_are_no_numbers_count_as_absent(value: object) -> None:
    assert _read("earnings", "Acme reports", eps_actual=value, eps_expected=1.0) is None
    assert _read("macro", "US CPI", actual=value, expected=0.2) is None


def test_items_of_filings() -> None:
    assert _certain(_read("filing", "8-K", items=["9.01", "1.03"])).score == -1
    assert _read("filing", "8-K", items=["9.01"]) is None
    assert _read("filing", "8-K", items="1.03") is None


CALL = """Good afternoon and welcome to the second quarter conference call of Acme.
Today's remarks look forward. Net revenue came in at $5.2 billion, ahead of the $5.0 billion that
analysts were looking for. Gross margin expanded 120 basis points. Operating expenses declined 4%.
We are raising our full-year guidance. Churn fell to its lowest level in six years.
Our tax rate was 21%. We operate 400 stores in 12 states. Freight costs rose slightly.
I will now turn the call over to our chief financial officer. We will then open the line for questions.
"""


def test_an_earnings_call_is_judged_by_its_sentences() -> None:
    view = _certain(_read("earnings", "Acme second quarter earnings call", body=CALL))
    assert view.score > 0.3
    assert "good and" in view.because
    # The same call with guidance cut is good and bad news in balance.
    assert _read("earnings", "Acme call", body=CALL.replace("raising", "cutting")) is None


def test_good_and_bad_news_in_balance_is_abstained_from() -> None:
    body = (
        "Net sales rose to EUR 9 mn from EUR 6 mn. " * 6
        + "\nOperating profit fell to EUR 6 mn from EUR 9 mn. " * 6
    )
    assert _read("earnings", "Acme reports", body=body) is None


@pytest.mark.parametrize("title", ["Explainer: why Acme fell", "Is Acme a buy?"])
def test_a_title_that_tells_no_news_settles_it(title: str) -> None:
    assert _read("news", title, body="Acme's profit fell to $3 million from $5 million.") is None


def test_a_headline_outweighs_its_text() -> None:
    body = "Acme was founded in 1921. " * 20 + "Sales rose. "
    assert _certain(_read("news", "Acme files for bankruptcy", body=body)).score < -0.3
