"""What the rules make of single sentences: directions, figures, expectations, negation, events."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.records import Abstain

JUDGE = OfflineAnalyst().judge

GOOD = """
Net profit rose to EUR 5 mn from EUR 3 mn
The operating loss narrowed to EUR 1.2 mn from EUR 4 mn
Operating costs fell by 8 %
Profit for the period totalled EUR 7.1 mn (5.9)
Loss was $2 million, compared with a loss of $9 million a year earlier
A profit of EUR 2 mn against a loss of EUR 3 mn
Earnings came in above analysts' expectations
The loss was smaller than expected
Layoffs were fewer than feared
Inflation fell more than expected
The company raised its full-year guidance
FDA approves Acme's asthma drug
Acme wins $300 million contract
Acme hikes dividend by 10%
Despite higher costs, profit increased
Acme avoids bankruptcy
Acme cuts its debt by $1 billion
Q2 EPS $1.20 vs. $1.10 expected
Acme posted a 6.1 percent growth in beer sales
Demand for sports equipment was good
Revenue of $4.1 billion topped the $3.9 billion analysts had expected
"""
BAD = """
Net profit fell to EUR 3 mn from EUR 5 mn
The operating loss widened to EUR 4 mn from EUR 1.2 mn
Operating costs rose by 8 %
Profit for the period totalled EUR 5.9 mn (7.1)
The result was a loss of EUR 3 mn, compared with a profit of EUR 2 mn
Cash flow was negative at EUR 18 mn compared to EUR 39 mn
Sales were below expectations
The loss was larger than expected
Inflation rose more than expected
Acme cuts its guidance
FDA rejects Acme's new drug application
Acme slashes dividend
Although sales grew, profit fell
Acme failed to refinance its debt
Acme no longer expects growth
Acme to lay off 900 workers
Acme files for Chapter 11
There is substantial doubt about its ability to continue as a going concern
Acme will restate its results for 2023
Acme prices $400 million public offering of common stock
Shares of Acme tumble after CFO resigns
Q2 EPS $1.10 vs. $1.20 expected
"""
OPEN = """
Net sales were EUR 12 mn
Acme has offices in Ohio, Texas and Maine
Acme denies fraud
Is Acme stock a buy?
Results were in line with expectations
The record date of the dividend is 4 April
Acme owns 12.5 % of the shares, up from 12.1 %
How to bake an apple pie
Der Umsatz stieg und der Gewinn ist gesunken
Ventas netas aumentaron en los tres meses
売上高は増加した
"""


def _sign(text: str) -> int:
    answer = JUDGE(text)
    return 0 if isinstance(answer, Abstain) else (answer.score > 0) - (answer.score < 0)


@pytest.mark.parametrize("text", GOOD.strip().splitlines())
def test_good_news(text: str) -> None:
    assert _sign(text) == 1, JUDGE(text)


@pytest.mark.parametrize("text", BAD.strip().splitlines())
def test_bad_news(text: str) -> None:
    assert _sign(text) == -1, JUDGE(text)


@pytest.mark.parametrize("text", OPEN.strip().splitlines())
def test_no_news(text: str) -> None:
    assert _sign(text) == 0, JUDGE(text)


def test_a_conversion_in_brackets_is_no_earlier_figure() -> None:
    answer = JUDGE("Net profit fell to EUR 25 mn ($ 40 mn) from EUR 26 mn ($ 38 mn)")
    assert not isinstance(answer, Abstain) and answer.score < 0
    assert any("eur 25 mn against eur 26 mn" in reason for reason in answer.because)


def test_what_disappoints_has_not_risen() -> None:
    missed = JUDGE("Nonfarm payrolls increase by 150,000, missing the 200,000 estimate")
    cooler = JUDGE("CPI rises 0.2%, below the 0.3% forecast")
    assert not isinstance(missed, Abstain) and missed.score < 0
    assert not isinstance(cooler, Abstain) and cooler.score > 0


@pytest.mark.parametrize("text", ["Apple won't cut its dividend", "Apple is not cutting its guidance"])
def test_a_cut_that_does_not_come_is_no_bad_news(text: str) -> None:
    assert _sign(text) >= 0


@pytest.mark.parametrize(
    "text",
    [
        "Acme beat estimates, raised its dividend and cut its guidance",
        "Profit jumped 40% while sales plunged 40% and costs soared",
    ],
)
def test_good_and_bad_news_in_one_sentence(text: str) -> None:
    assert JUDGE(text) == Abstain("good and bad news in one sentence")


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Acme beats estimates but cuts its guidance", -1),
        ("Acme misses estimates but raises its guidance", 1),
        ("Acme stock drops 10% despite earnings beat", -1),
        ("Despite weak demand, Acme raises its dividend", 1),
        ("The outage did not affect production", 0),
    ],
)
def test_what_is_conceded_weighs_less(text: str, sign: int) -> None:
    assert _sign(text) == sign


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("The decline in sales slowed", 1),
        ("Payrolls growth slows less than expected", 1),
        ("Sales decline slowed to 2% from 9%", 1),
        ("Sales fell at the slowest rate in two years", 1),
        ("Profit grew more slowly than expected", -1),
        ("The dividend cut was smaller than feared", 1),
        ("The rise in costs accelerated", -1),
        ("Sales fell 2%, less than the 3% decline analysts feared", 1),
        ("Sales fell by more than the 2% analysts expected", -1),
        ("The decline was not as steep as the market had anticipated", 1),
        ("Fewer customers left than expected", 1),
        ("The results were not good enough for investors", -1),
    ],
)
def test_changes_of_changes(text: str, sign: int) -> None:
    assert _sign(text) == sign


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Q1 loss of 35 cents a share vs. expected loss of 62 cents", 1),
        ("Q3: revenue $662M, consensus $678M", -1),
        ("EPS EUR 0.12 (prior year: EUR 0.45)", -1),
        ("Cost-to-income ratio rose to 71% from 64%", -1),
        ("Acme sees Q3 revenue between $133M and $135M; analysts were at $152M", -1),
    ],
)
def test_figures_beside_what_was_expected(text: str, sign: int) -> None:
    assert _sign(text) == sign


@pytest.mark.parametrize(
    "text",
    [
        "Oh wonderful, my broker's app crashed again",
        "Great, another record: the most meetings without a decision",
        "Beat Holdings appoints new company secretary",
        "10 undervalued stocks for the second half",
        "Customers raise queries",
        "EU countries back copyright reforms",
    ],
)
def test_exclamations_names_and_lists_are_no_news(text: str) -> None:
    assert _sign(text) == 0


def test_words_of_a_name_mean_nothing() -> None:
    plain = JUDGE("The plant of Osprey Falls Mining is in Ohio")
    assert isinstance(plain, Abstain)


def test_reasons_name_what_was_found() -> None:
    answer = JUDGE("Acme raises its full-year guidance as costs fell")
    assert not isinstance(answer, Abstain)
    assert answer.because[0].startswith("guidance: raises")
    assert "costs fell" in answer.because


@pytest.mark.parametrize(
    "text",
    [
        "Explainer: how Acme beat estimates",
        "Factbox - Acme's biggest losses",
        "What to know about Acme's fall",
    ],
)
def test_explanations_and_previews_are_no_news(text: str) -> None:
    assert JUDGE(text) == Abstain("an explanation or a preview, not news")


def test_a_word_of_blame_alone_is_not_enough() -> None:
    assert isinstance(JUDGE("The minister warns against hasty conclusions in the dispute"), Abstain)


@pytest.mark.parametrize(
    "word", ["profit ", "1 2 3 ", "rose 5% from ", "the ", "loses x ", "EUR 5 mn from ", "(7 "]
)
def test_a_page_of_one_word_takes_no_time(word: str) -> None:
    start = time.thread_time()
    JUDGE(word * (20_000 // len(word)))
    assert time.thread_time() - start < 2.0


def test_doubt_lowers_confidence() -> None:
    sure, doubtful = JUDGE("Acme cuts its dividend"), JUDGE("Acme may cut its dividend")
    assert not isinstance(sure, Abstain)
    assert isinstance(doubtful, Abstain) or doubtful.confidence < sure.confidence


@given(st.text(max_size=400))
def test_any_text_is_answered_within_bounds(text: str) -> None:
    answer = JUDGE(text)
    if isinstance(answer, Abstain):
        assert answer.reason
    else:
        assert -1 <= answer.score <= 1 and 0 <= answer.confidence <= 1 and answer.because


_HEAP = """
profit loss costs rose fell cut raised 5 mn EUR % from to compared with not than expected below $ ( ) . ,
guidance FDA rejects shares tumble no despite but and dividend 2007 per cent record as analysts' ?
"""
_WORDS = st.sampled_from(_HEAP.split())


@given(st.lists(_WORDS, max_size=40).map(" ".join))
def test_any_heap_of_its_own_words_is_answered(text: str) -> None:
    first, second = JUDGE(text), JUDGE(text)
    assert first == second
