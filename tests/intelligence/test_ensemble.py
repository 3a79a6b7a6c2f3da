"""Several analysts as one: weights, disagreement, abstentions, and the ways in which members fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from robo_trader.config import load_config
from robo_trader.errors import ConfigError, ModelError
from robo_trader.intelligence.analyst import Analyst
from robo_trader.intelligence.ensemble import EnsembleAnalyst
from robo_trader.plugins import load_host
from robo_trader.records import Abstain, Event, View

EVENT = Event(kind="news", title="x", published_at=datetime(2024, 1, 2, tzinfo=UTC), symbols=("A",))
DAY = timedelta(days=1)


class Says(Analyst):
    """Answers every event with one score, or with what it is given."""

    kinds = frozenset({"news"})

    def __init__(
        self, answer: float | Abstain | Exception, confidence: float = 0.8, symbol: str = "A"
    ) -> None:
        self.answer, self.confidence, self.symbol = answer, confidence, symbol

    async def read(self, event: Event) -> Sequence[View] | Abstain:
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Abstain):
            return self.answer
        return [
            View(symbol=self.symbol, score=self.answer, confidence=self.confidence, horizon=DAY, because="so")
        ]


def _read(weights: dict[str, float] | None = None, **members: Analyst) -> list[View] | Abstain:
    return asyncio.run(EnsembleAnalyst(members, weights).read(EVENT))


def _one(answer: list[View] | Abstain) -> View:
    assert not isinstance(answer, Abstain)
    assert len(answer) == 1
    return answer[0]


def test_members_that_agree_give_their_own_view() -> None:
    view = _one(_read(a=Says(0.5), b=Says(0.5)))
    assert (view.score, view.confidence, view.horizon) == (0.5, 0.8, DAY)
    assert view.because == "a +0.50: so; b +0.50: so"


def test_weights_and_confidence_move_the_score() -> None:
    assert _one(_read({"a": 3.0}, a=Says(1.0), b=Says(0.0))).score == 0.75
    assert _one(_read(a=Says(1.0, 0.9), b=Says(0.0, 0.3))).score == 0.75


def test_disagreement_lowers_confidence() -> None:
    agree, mild = _one(_read(a=Says(0.6), b=Says(0.6))), _one(_read(a=Says(0.6), b=Says(0.2)))
    torn = _one(_read(a=Says(0.6), b=Says(-0.6)))
    assert agree.confidence > mild.confidence > torn.confidence
    assert torn.score == 0.0


def test_an_abstention_lowers_confidence_and_leaves_the_score() -> None:
    view = _one(_read(a=Says(0.6), b=Says(Abstain("no idea"))))
    assert view.score == 0.6 and view.confidence == pytest.approx(0.6)


def test_all_abstain_with_every_reason() -> None:
    answer = _read(a=Says(Abstain("dull")), b=Says(ValueError("broken")))
    assert answer == Abstain("a: dull; b: it failed: ValueError: broken")


def test_what_a_person_has_to_mend_is_raised() -> None:
    with pytest.raises(ModelError):
        _read(a=Says(0.6), b=Says(ModelError("no such reply")))


def test_each_symbol_is_averaged_alone() -> None:
    answer = _read(a=Says(0.6), b=Says(-0.2, symbol="B"))
    assert not isinstance(answer, Abstain)
    assert {view.symbol: view.score for view in answer} == {"A": 0.6, "B": -0.2}


def test_members_without_confidence_do_not_divide_by_zero() -> None:
    view = _one(_read(a=Says(0.6, 0.0), b=Says(0.2, 0.0)))
    assert (view.score, view.confidence) == (0.4, 0.0)


def test_it_is_in_sample_and_late_as_its_worst_member() -> None:
    first, second = Says(0.1), Says(0.2)
    first.clean_from, second.clean_from = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    second.latency = timedelta(seconds=3)
    ensemble = EnsembleAnalyst({"a": first, "b": second, "c": Says(0.3)})
    assert ensemble.clean_from == second.clean_from and ensemble.latency == timedelta(seconds=3)
    assert ensemble.kinds == {"news"}
    assert dict(ensemble.describe())["a"] == {"weight": 1.0}


def test_the_host_makes_its_members(tmp_path: Path) -> None:
    (tmp_path / "robo.toml").write_text(
        '[intelligence.ensemble]\nanalysts = ["offline"]\nweights = {offline = 2}\n', encoding="utf-8"
    )
    host = load_host(load_config(tmp_path / "robo.toml"), third_party=False)
    ensemble = host.create("analyst", "ensemble")
    event = Event(
        kind="news", title="Acme cuts its guidance", published_at=EVENT.published_at, symbols=("A",)
    )
    assert _one(asyncio.run(ensemble.read(event))).score < -0.5


def test_without_members_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no members"):
        asyncio.run(EnsembleAnalyst(["offline"]).read(EVENT))


@pytest.mark.parametrize(
    ("analysts", "weights", "said"),
    [
        ("offline", None, "list of names"),
        ([], None, "list of names"),
        (["ensemble"], None, "names itself"),
        (["a", "a"], None, "twice"),
        (["offline"], {"oflline": 1.0}, "did you mean 'offline'?"),
        (["offline"], {"offline": 0}, "above 0"),
        (["offline"], {"offline": float("nan")}, "above 0"),
        (["offline"], [1.0], "table"),
    ],
)
def test_wrong_options(analysts: Any, weights: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", "\\?")):
        EnsembleAnalyst(analysts, weights)
