"""The page as text: what it holds, what it never holds, and that odd runs have a report too."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_trader.engine.record import Failure
from robo_trader.errors import RunError
from robo_trader.report import write_report
from robo_trader.report.parts import Skipped
from robo_trader.report.source import read_book
from robo_trader.report.write import build_charts
from robo_trader.runs import Result

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


class Page(HTMLParser):
    """What a browser would see: elements, ids, addresses, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._raw = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]

    @property
    def flat(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def page(ten_year_report: Path) -> Page:
    return Page(ten_year_report)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw two panels of the tear sheet only, for tests of everything else."""
    import robo_trader.report.tearsheet.catalogue as catalogue

    monkeypatch.setattr(catalogue, "PANELS", catalogue.PANELS[:2])


def report_of(result: Result, folder: Path) -> Page:
    return Page(write_report(result, folder / "report.html"))


def test_a_ten_year_run_stays_small(ten_year_report: Path) -> None:
    """How long it takes is measured by `benchmarks/report.py --most 15`."""
    assert ten_year_report.stat().st_size < 3_000_000
    assert [p.name for p in ten_year_report.parent.iterdir()] == ["report.html"]


def test_nothing_in_the_page_leads_elsewhere(page: Page) -> None:
    for tag, attrs in page.tags:
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#")), (tag, attrs[name][:80])
        assert not any(name.startswith("on") for name in attrs), tag
    style = re.findall(r"<style>(.*?)</style>", page.source, re.S)
    assert len(style) == 1 and "url(" not in style[0] and "@import" not in style[0]


def test_the_policy_allows_the_two_scripts_of_the_page_and_no_request(page: Page) -> None:
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in rules["script-src"] and "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", page.source, re.S)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    assert rules["script-src"].split() == hashes and len(hashes) == 2


def test_the_sections_stand_in_order_with_the_summary_first(page: Page) -> None:
    sections = [attrs["id"] for attrs in page.all("section") if "id" in attrs]
    assert sections == [
        "summary", "account", "prices", "trades", "twin", "events", "tearsheet", "metrics", "data", "repeat"
    ]  # fmt: skip
    links = {a["href"][1:] for a in page.all("a")}
    assert links <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_summary_says_what_ran_and_how_well(page: Page, ten_years: Result) -> None:
    text = page.flat
    assert "2011-01-03 to 2020-08-28" in text and "2,520 sessions" in text
    for name in ("total_return", "sharpe", "max_drawdown", "profit_factor"):
        metric = ten_years.measures[name]
        assert metric.text().replace("-", "−") in text
        assert metric.method in text
    states = re.findall(r'class="mark (\w+)"', page.source)
    assert states == [score.state for score in ten_years.scorecard]
    assert "commission and slippage are 0: real trading costs money." in text
    assert "The risk guard was off" in text


def test_every_trade_has_its_anchor_reason_and_command(page: Page, ten_years: Result) -> None:
    for trade in ten_years.trades:
        assert f"trade-{trade.trade_id}" in page.ids
        assert trade.because in page.text
        assert f"robo explain trade {trade.trade_id} --run {ten_years.id[-6:]}" in page.text


def test_baselines_and_benchmark_stand_beside_the_strategy(page: Page, ten_years: Result) -> None:
    head = re.search(r"Beside benchmark and baselines.*?</thead>", page.source, re.S)
    assert head is not None
    names = [h.strip() for h in re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", head[0])]
    assert names == ["", "sma_cross", "SPY (benchmark)", "buy and hold"]
    assert "random entry: nothing here can be traded" in page.flat
    own = ten_years.info.baselines["buy_and_hold"].metrics["total_return"].text()
    assert own.replace("-", "−") in page.text


def test_the_hindsight_twin_is_compared(page: Page) -> None:
    section = re.search(r'<section id="twin">.*?</section>', page.source, re.S)
    assert section is not None
    assert "50.00 %" in section[0] and "150,000.00" in section[0]
    assert "With midnight stamps" in section[0]


@pytest.mark.usefixtures("light")
def test_without_a_twin_the_reason_is_given(make: Callable[..., Result], tmp_path: Path) -> None:
    got = report_of(
        make(twin={"state": "not applicable", "why": "there are no events in this run"}), tmp_path
    )
    assert "Not applicable: there are no events in this run." in got.flat


def test_the_run_can_be_repeated_and_its_data_traced(page: Page, ten_years: Result) -> None:
    text = page.flat
    assert ten_years.info.command in text
    assert "bars/SPY.csv" in text and "abababababab" in text and ten_years.info.data[0]["sha256"] not in text
    assert "fast = 20, slow = 50" in text
    assert "backtrader 1.9.78.123" in text


def test_every_section_of_pyfolio_is_there(page: Page, ten_years: Result) -> None:
    titles = re.findall(r"<figcaption>(.*?)[<\n]", page.source)
    for title in (
        "Cumulative returns", "Rolling beta", "Drawdown periods", "Underwater", "Monthly returns",
        "Exposure", "Largest holdings", "Gross leverage", "Daily turnover", "Time of day", "Lifetimes",
        "Worst drawdown periods", "Monthly returns in percent", "Stress events", "Performance statistics",
        "Summary", "Profit and loss",
    ):  # fmt: skip
        assert title in titles, title
    assert "could not be drawn" not in page.text
    table = re.search(r"Positions, every symbol.*?</figure>", page.source, re.S)
    assert table is not None
    for symbol in ten_years.record.sessions.sizes:
        assert f'<th scope="row">{symbol}</th>' in table[0]


def test_images_are_small_webp_with_words(page: Page) -> None:
    images = page.all("img")
    assert len(images) > 25
    for image in images:
        assert image["src"].startswith("data:image/webp;base64,UklGR")
        assert len(image["alt"]) > 20 and int(image["width"]) > 300


def test_whatever_people_write_stays_text(make: Callable[..., Result], tmp_path: Path) -> None:
    result = make(
        40,
        (NASTY[:12], "Ω$^{$π}", "日本<b>"),
        12,
        because=lambda symbol, i: f"{NASTY} {i}",
        strategy=NASTY,
        command=f"robo backtest {NASTY}",
        params={NASTY: NASTY},
        warnings=[NASTY],
        notes=[NASTY],
        versions={NASTY: NASTY},
        twin={"state": "not applicable", "why": NASTY},
        data=[{"source": NASTY, "symbol": NASTY, "sha256": NASTY, "rows": 3, "stamps": NASTY}],
    )
    event = make(5).record.fills[0].time
    from robo_trader.records import Event

    result.record.events_delivered.append(Event(kind=NASTY, title=NASTY, published_at=event, source=NASTY))
    result.record.cheats = (NASTY,)
    result.record.state = "failed"
    result.record.failure = Failure(NASTY, NASTY, None, NASTY)
    got = report_of(result, tmp_path)
    scripts = got.all("script")
    assert len([s for s in scripts if s.get("type") == "application/json"]) == 2
    assert len(scripts) == 4, "a script was smuggled in"
    assert not any("onerror" in attrs for _, attrs in got.tags)
    assert [a for a in got.all("img") if not a["src"].startswith("data:image/webp")] == []
    assert NASTY in got.text  # as words, template braces included
    assert "could not be drawn" not in got.text


@pytest.mark.parametrize(("n", "fills"), [(1, 0), (2, 1), (3, 2), (40, 0)])
def test_short_and_idle_runs_have_a_report(
    make: Callable[..., Result], tmp_path: Path, n: int, fills: int
) -> None:
    got = report_of(make(n, ("SPY",), fills), tmp_path)
    assert "could not be drawn" not in got.text
    if not fills:
        assert "There was no trade." in got.text and "The run has no trade." in got.text
    assert len(got.all("section")) >= 8


@pytest.mark.usefixtures("light")
def test_a_run_that_failed_before_its_first_session_has_a_report(
    make: Callable[..., Result], tmp_path: Path
) -> None:
    result = make(1, ("SPY",), 0)
    at = result.record.sessions
    none = {s: v[:0] for s, v in at.sizes.items()}
    empty = replace(
        at, date=at.date[:0], time=at.time[:0], value=at.value[:0], cash=at.cash[:0], fund=at.fund[:0],
        sizes=none, prices=dict(none),
    )  # fmt: skip
    record = replace(
        result.record,
        sessions=empty,
        state="failed",
        failure=Failure("ZeroDivisionError in next()", "s.py:7"),
    )
    got = report_of(Result(record, result.info), tmp_path)
    assert "This run failed" in got.text and "ZeroDivisionError in next()" in got.text
    assert "the run has no session" in got.text


@pytest.mark.usefixtures("light")
def test_an_interrupted_run_says_so_first(make: Callable[..., Result], tmp_path: Path) -> None:
    result = make(30)
    result.record.state = "interrupted"
    got = report_of(result, tmp_path)
    assert got.text.index("This run was interrupted") < got.text.index("Summary", 900)


def test_an_account_below_zero_is_shown_and_its_shares_are_not(
    make: Callable[..., Result], tmp_path: Path
) -> None:
    result = make(200)
    at = result.record.sessions
    fall = np.linspace(0, 250_000, len(at.value))
    worse = replace(at, value=at.value - fall, cash=at.cash - fall, fund=100 * (at.value - fall) / 100_000)
    got = report_of(Result(replace(result.record, sessions=worse), result.info, bars=result.bars), tmp_path)
    assert "the account was at or below 0 on" in got.flat
    assert "This run failed" not in got.text


@pytest.mark.usefixtures("light")
def test_many_symbols_all_appear_and_the_page_stays_small(
    make: Callable[..., Result], tmp_path: Path
) -> None:
    names = [f"S{i:03d}" for i in range(130)]
    result = make(1000, names, 130)
    page = report_of(result, tmp_path)
    table = re.search(r"Positions, every symbol.*?</figure>", page.source, re.S)
    assert table is not None
    assert all(f'<th scope="row">{name}</th>' in table[0] for name in names)
    assert "The 120 most traded of 130 symbols are shown." in page.text
    # The drawings left out here take less than half a megabyte.
    assert (tmp_path / "report.html").stat().st_size < 2_500_000


def test_a_symbol_called_cash_is_not_taken_for_money(make: Callable[..., Result], tmp_path: Path) -> None:
    got = report_of(make(150, ("cash", "SPY"), 20), tmp_path)
    assert "could not be drawn" not in got.text


@pytest.mark.usefixtures("light")
def test_cheats_are_stamped(make: Callable[..., Result], tmp_path: Path) -> None:
    result = make(20)
    result.record.cheats = ("cheat-on-open",)
    assert "This run was allowed to cheat: cheat-on-open" in report_of(result, tmp_path).text


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    make: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import robo_trader.report.tearsheet.sheet as sheet

    monkeypatch.setattr(sheet, "build_sheet", lambda *a, **k: [])
    with pytest.raises(RunError, match=r"cannot be written to .*report\.html") as caught:
        write_report(make(5), tmp_path / "absent" / "report.html")
    assert caught.value.hint


def test_an_old_report_stays_whole_when_the_disk_is_full(
    make: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import robo_trader.report.tearsheet.sheet as sheet
    import robo_trader.report.write as write

    monkeypatch.setattr(sheet, "build_sheet", lambda *a, **k: [])
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "replace", full)
    with pytest.raises(RunError, match="No space left"):
        write_report(make(5), target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_chart_that_breaks_leaves_the_page(
    make: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    import robo_trader.report.charts as charts

    def broken(*args: Any, **kwargs: Any) -> None:
        raise TypeError("no such thing")

    monkeypatch.setattr(charts, "equity_chart", broken)
    result = make(5)
    built = build_charts(result, read_book(result))
    assert built["equity"] == Skipped("The account", "could not be drawn: TypeError: no such thing")
    assert not isinstance(built["prices"], Skipped)


def test_drawing_leaves_the_users_plots_alone(make: Callable[..., Result], tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    import pandas as pd

    figure = plt.figure()
    before = dict(matplotlib.rcParams)
    np.random.seed(5)
    expected = np.random.RandomState(5).rand()
    compat = pd.plotting.plot_params["xaxis.compat"]
    try:
        write_report(make(60), tmp_path / "report.html")
        assert plt.get_fignums() == [figure.number]
        assert matplotlib.get_backend() == "svg"
        assert dict(matplotlib.rcParams) == before
        assert np.random.rand() == expected
        assert pd.plotting.plot_params["xaxis.compat"] == compat
    finally:
        plt.close(figure)


def test_importing_the_report_is_cheap() -> None:
    code = (
        "import sys, robo_trader.report.write, robo_trader.report.page;"
        "heavy = 'matplotlib pandas bokeh pyfolio empyrical jinja2'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[]"
