"""The estimate before anything is spent, held against what was settled afterwards."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from robo_trader.config import load_config
from robo_trader.errors import ConfigError
from robo_trader.intelligence.analyst import Analyst
from robo_trader.intelligence.ensemble import EnsembleAnalyst
from robo_trader.intelligence.estimate import Estimate, asking_nobody, estimate
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.plugins import load_host
from robo_trader.records import Abstain, Event
from robo_trader.testing import FAULTS, Call, ModelServer

from .conftest import VENDORS, Make, event, read, says, view

_TEXT = """the company said on Tuesday that quarterly revenue rose to billion from million a year earlier as
demand for its products stayed strong in Europe while costs of materials fell; analysts had expected less and
shares gained in early trading, but management warned about currency effects and delayed deliveries"""
_WORDS = _TEXT.split()


class Silent(Analyst):
    """Reads news and never says anything."""

    kinds = ("news",)

    def read(self, event: Event) -> Abstain:
        return Abstain("silent")


def headlines(count: int, seed: int = 1) -> list[Event]:
    """Return events whose length varies as news does: many headlines alone, some with long bodies."""
    draw = random.Random(seed)
    found = []
    for i in range(count):
        body = " ".join(draw.choices(_WORDS, k=draw.choice([0, 0, 30, 120, 400])))
        symbols = ("AAPL", "MSFT", "IBM")[: draw.choice([1, 1, 1, 2, 3])]
        kind = draw.choice(["news", "news", "earnings", "fomc"])
        title = f"{' '.join(draw.choices(_WORDS, k=10))} {i}"
        found.append(event(title, kind=kind, symbols=symbols, body=body))
    return found


def voluble(call: Call) -> str:
    """Answer with one view for each label, of varied length, as a model does."""
    draw = random.Random(call.number)
    labels = call.user.partition("Labels: ")[2].partition("\n")[0].split(", ")
    texts = [" ".join(draw.choices(_WORDS, k=draw.randint(15, 45))) for _ in labels]
    return says(*(view(label, rationale=text) for label, text in zip(labels, texts, strict=True)))


@pytest.mark.parametrize("vendor", ["anthropic", "openai"])
def test_the_estimate_is_within_20_percent_of_what_is_settled(make: Make, vendor: str) -> None:
    """Once some replies are recorded; what it takes before that leans to the dear side."""
    events = headlines(150)
    with ModelServer(voluble) as server:
        blind = make(server, vendor).estimate(events)
        pilot = make(server, vendor)
        read(pilot, *events[:30])
        analyst = make(server, vendor)
        told = estimate(events, analyst)
        assert (told.events, told.recorded, told.calls) == (150, 30, 120)
        assert told.learnt == 30 and told.model == analyst.models[0].name
        read(analyst, *events)
    assert float(told.cost) == pytest.approx(float(analyst.budget.settled), rel=0.2)
    total = pilot.budget.settled + analyst.budget.settled
    assert blind.learnt == 0 and total * Decimal("0.8") < blind.cost < total * 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_recorded_costs_nothing(make: Make, vendor: str) -> None:
    events = headlines(10)
    with ModelServer(voluble) as server:
        read(make(server, vendor), *events)
        told = estimate(events, make(server, vendor))
        asked = len(server.calls)
    assert (told.recorded, told.calls, told.cost) == (10, 0, 0)
    assert asked == 10


def test_an_estimate_asks_nobody_and_spends_nothing(make: Make) -> None:
    with ModelServer(voluble) as server:
        analyst = make(server)
        assert estimate(headlines(20), analyst).cost > 0
    assert server.calls == [] and analyst.budget.settled == 0


def test_what_failed_will_be_asked_again(make: Make) -> None:
    with ModelServer([FAULTS["nan"]]) as server:
        read(make(server), event())
        assert make(server).estimate([event()]).calls == 1


def test_events_of_other_kinds_are_not_counted(make: Make) -> None:
    assert make("http://127.0.0.1:9").estimate([event(kind="block_trade")]).events == 0


def test_an_ensemble_costs_what_its_members_cost(make: Make) -> None:
    one = make("http://127.0.0.1:9")
    other = make("http://127.0.0.1:9", "openai")
    both = EnsembleAnalyst(analysts={"one": one, "other": other, "free": Silent()})
    told, events = both.estimate(headlines(5)), headlines(5)
    assert told.cost == one.estimate(events).cost + other.estimate(events).cost > 0
    assert (told.events, told.calls, told.model) == (5, 10, "claude-haiku-5-5, gpt-6-luna")
    assert EnsembleAnalyst(analysts={"free": Silent()}).estimate(events) == Estimate()


def test_an_analyst_without_a_model_costs_nothing() -> None:
    told = estimate([event()], object())
    assert told == Estimate() and str(told) == "no model is asked: $0"


def test_it_is_told_in_one_line(make: Make) -> None:
    line = str(make("http://127.0.0.1:9").estimate(headlines(3)))
    assert line.startswith("claude-haiku-5-5: 3 calls for 3 events (0 recorded)")
    assert "assumed, nothing is recorded yet" in line and "$0.00" in line


def test_without_a_price_there_is_no_estimate(make: Make) -> None:
    analyst = make(None, "openai", model="new", models={"new": {"provider": "openai"}}, mode="replay")
    with pytest.raises(ConfigError, match="no price is known"):
        analyst.estimate([event()])


def test_one_question_is_counted_once(make: Make) -> None:
    same = [event("AAPL raises its guidance")] * 20
    assert estimate(same, make("http://127.0.0.1:9")).calls == 1
    assert estimate(same, make("http://127.0.0.1:9", mode="live")).calls == 20


def test_an_estimate_needs_no_key_no_address_and_no_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    every: list[dict[str, Any]] = [
        {},
        {"provider": "openai", "mode": "live"},
        {"provider": "local", "model": "small"},
    ]
    for options in every:
        with pytest.raises(ConfigError):
            LLMAnalyst(**options)
        with asking_nobody():
            analyst = LLMAnalyst(**options)
        assert estimate([event()], analyst).calls == 1
    assert list(tmp_path.iterdir()) == []


def test_a_key_named_in_robo_toml_need_not_be_set_where_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MY_KEY", raising=False)
    Path("robo.toml").write_text(
        '[intelligence.llm]\nbase_url = "https://models.example"\napi_key = "env:MY_KEY"\n'
    )
    host = load_host(load_config(), third_party=False)
    with pytest.raises(ConfigError, match="the environment variable MY_KEY, which is not set"):
        host.create("analyst", "llm")
    assert host.create("analyst", "llm", mode="replay").mode == "replay"
    with asking_nobody():
        assert estimate([event()], host.create("analyst", "llm")).calls == 1
    monkeypatch.setenv("MY_KEY", "sk-mine")
    assert load_host(load_config(), third_party=False).create("analyst", "llm").mode == "record"
