"""The oracle is worth its name: it complains when a rule of the engine is broken on purpose.

Each mutation breaks one promise; among the drawn worlds and plans there has to be one in which the
oracle notices.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from oracle import judge
from planned import Outcome, Planned, plans
from worlds import ONE_CLOCK, SEVERAL_CLOCKS, World, worlds

from robo_trader.engine import EngineSettings, honest, run
from robo_trader.engine.commission import Commission
from robo_trader.engine.honest import HonestBroker
from robo_trader.matching import Slippage

SEARCH = settings(
    max_examples=1500, phases=[Phase.generate], deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def complaints(world: World, plan: Any, slippage: float) -> list[str]:
    """Run a plan and return what the oracle has to say."""
    out = Outcome()
    # The mutations are of the plain way; the fast one is compared with it, bit by bit.
    chosen = EngineSettings(cash=10_000.0, slippage=slippage, commission=0.001, engine="plain")
    record = run(
        world.frames, Planned, {"plan": plan, "out": out, "tick": world.tick},
        settings=chosen, events=world.tape,
    )  # fmt: skip
    assert record.state == "finished", record.failure
    return judge(list(world.frames), record, commission=0.001, slippage=slippage, diary=out.diary)


def noticed(kinds: tuple[str, ...], what: dict[str, Any], words: str) -> bool:
    """Return True where the oracle complains in these `words` about one of the drawn runs."""
    cases = st.tuples(worlds(kinds=kinds), plans(**what), st.sampled_from([0.0, 0.01]))
    try:
        find(
            cases,
            lambda case: any(words in text for text in complaints(*case)),
            settings=SEARCH,
            random=Random(1),
        )
    except NoSuchExample:
        return False
    return True


def bars_in_progress(patch: pytest.MonkeyPatch) -> None:
    """Orders see what is left of a bar that started before they existed."""
    rest = HonestBroker._try_rest

    def enter_late(self: Any, order: Any, feed: Any, i: int) -> None:
        self._entered[order.ref] = i
        rest(self, order, feed, i)

    patch.setattr(HonestBroker, "_try_rest", enter_late)


def limits_slip(patch: pytest.MonkeyPatch) -> None:
    """Slippage makes a limit worse than its price."""
    plain = Slippage.apply

    def careless(self: Any, price: float, buy: bool, edge: float, **kind: Any) -> float | None:
        if kind.get("limited"):
            return price * (1 + self.fraction) if buy else price * (1 - self.fraction)
        return plain(self, price, buy, edge, **kind)

    patch.setattr(Slippage, "apply", careless)


def stops_jump(patch: pytest.MonkeyPatch) -> None:
    """A stop is filled when the price came near it."""
    plain = honest.in_bar

    def hasty(terms: Any, bar: Any, slippage: Any) -> Any:
        if terms.type == "Stop" and terms.stop is not None and bar.high < terms.stop < bar.high * 1.02:
            return terms.stop, False
        return plain(terms, bar, slippage)

    patch.setattr(honest, "in_bar", hasty)


def children_do_not_wait(patch: pytest.MonkeyPatch) -> None:
    """Bracket children trade in their parent's bar."""

    def at_once(self: Any, order: Any, feed: Any) -> None:
        self._bracketize(order)
        while self._toactivate:
            child = self._toactivate.popleft()
            child.activate()
            self._entered[child.ref] = len(feed) - 1

    patch.setattr(HonestBroker, "_after_fill", at_once)


def groups_stay(patch: pytest.MonkeyPatch) -> None:
    """The others of a group live on."""
    patch.setattr(HonestBroker, "_ococheck", lambda self, order: None)


def validity_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HonestBroker, "_expired", lambda self, order, feed, i: False)


def cancelling_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HonestBroker, "cancel", lambda self, order, bracket=False: False)


def trails_follow_the_low(patch: pytest.MonkeyPatch) -> None:
    """A trailing stop moves by more than the close says."""
    plain = honest.trail
    patch.setattr(
        honest,
        "trail",
        lambda stop, close, buy, a, p: plain(stop, close * (0.99 if buy else 1.01), buy, a, p),
    )


def opens_are_told_late(patch: pytest.MonkeyPatch) -> None:
    """Fills at the open happen at the bar's end only, where the strategy could have acted before."""

    def nothing(self: Any, feeds: Any) -> None:
        self._begin()
        self._enter(set(feeds), len_offset=1)

    rest = HonestBroker.match_rest

    def both(self: Any, feeds: Any) -> None:
        self._match(set(feeds), self._try_open, len_offset=0)
        rest(self, feeds)

    patch.setattr(HonestBroker, "match_opens", nothing)
    patch.setattr(HonestBroker, "match_rest", both)


def sales_are_free(patch: pytest.MonkeyPatch) -> None:
    """Half the commission is forgotten."""
    plain = Commission._getcommission
    patch.setattr(Commission, "_getcommission", lambda self, *a, **k: plain(self, *a, **k) / 2)


def market_orders_get_the_close(patch: pytest.MonkeyPatch) -> None:
    plain = honest.at_open

    def kind(terms: Any, bar: Any, slippage: Any) -> Any:
        return (bar.close, False) if terms.type == "Market" else plain(terms, bar, slippage)

    patch.setattr(honest, "at_open", kind)


def limits_are_missed(patch: pytest.MonkeyPatch) -> None:
    """A limit that the open jumped over is not filled at the open."""
    plain = honest.at_open
    patch.setattr(honest, "at_open", lambda t, b, s: (None, False) if t.type == "Limit" else plain(t, b, s))


def dates_end_early(patch: pytest.MonkeyPatch) -> None:
    """A date is not good for the bar that ends with its day."""
    plain = honest.is_over
    patch.setattr(
        honest, "is_over", lambda order, feed, i, end: plain(order, feed, i, end) or end > order.valid
    )


EVERYWHERE = ONE_CLOCK + SEVERAL_CLOCKS
NESTED = ("unaligned daily", "hourly and daily", "half hours apart")
MUTATIONS: list[tuple[Callable[[Any], None], tuple[str, ...], tuple[str, ...], str]] = [
    (bars_in_progress, NESTED, ("limit", "stop"), "allowed were"),
    (limits_slip, ONE_CLOCK, ("limit", "stoplimit"), "allowed were"),
    (stops_jump, ONE_CLOCK, ("stop",), "allowed were"),
    (children_do_not_wait, ONE_CLOCK, ("market bracket",), "allowed were"),
    (children_do_not_wait, SEVERAL_CLOCKS, ("bracket", "short bracket"), "allowed were"),
    (groups_stay, EVERYWHERE, ("limit", "stop", "market"), "more than one fill"),
    (validity_is_ignored, EVERYWHERE, ("limit", "stop"), "after its validity"),
    (cancelling_fails, EVERYWHERE, ("limit", "stop", "cancel"), "was cancelled at"),
    (trails_follow_the_low, ONE_CLOCK, ("trail", "trail percent"), "allowed were"),
    (opens_are_told_late, SEVERAL_CLOCKS, ("market",), "not at ["),
    (sales_are_free, ONE_CLOCK, ("market",), "paid a commission"),
    (market_orders_get_the_close, ONE_CLOCK, ("market",), "allowed were"),
    (limits_are_missed, SEVERAL_CLOCKS, ("limit",), "is still waiting"),
    (dates_end_early, ("round the clock",), ("limit",), "before: Asked"),
]


@pytest.mark.parametrize(("mutation", "kinds", "what", "words"), MUTATIONS)
def test_the_oracle_notices(
    mutation: Callable[[Any], None], kinds: Any, what: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    assert noticed(kinds, {"what": what}, words)


def test_the_stock_rules_are_noticed_too() -> None:
    """Backtrader's own fills on several clocks use prices printed before their order."""

    def stock(case: Any) -> bool:
        world, plan = case
        out = Outcome()
        record = run(
            world.frames, Planned, {"plan": plan, "out": out, "tick": world.tick},
            settings=EngineSettings(cash=1e6, fill_rules="stock"),
        )  # fmt: skip
        return any("allowed were" in text for text in judge(list(world.frames), record, diary=out.diary))

    cases = st.tuples(
        worlds(kinds=("unaligned daily",), events=False), plans(what=("limit",), hooks=("next",))
    )
    find(cases, stock, settings=SEARCH, random=Random(1))
