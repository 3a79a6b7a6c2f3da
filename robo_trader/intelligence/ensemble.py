"""Several analysts as one: their views weighed together.

Each member is shown the events of its kinds. Views of one symbol are averaged by weight and
confidence; what points apart, and who abstains, lowers the confidence. If all abstain, so does the
ensemble. A member that raises has abstained; a `ModelError` passes, because a person has to mend it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from robo_trader.errors import ConfigError, ModelError, did_you_mean
from robo_trader.intelligence.analyst import Analyst
from robo_trader.records import Abstain, Event, View

if TYPE_CHECKING:
    from robo_trader.intelligence.estimate import Estimate
    from robo_trader.plugins import PluginHost

_TABLE = "[intelligence.ensemble]"


class EnsembleAnalyst(Analyst):
    """An analyst made of others.

    `analysts` are names, as in ``analysts = ["offline", "llm"]`` of `robo.toml`, or a mapping of names to
    instances. `weights` maps names to positive numbers; who is not named weighs 1.
    """

    name = "ensemble"
    kinds = frozenset({"news", "earnings", "fomc", "macro", "filing", "social"})

    def __init__(
        self, analysts: Sequence[str] | Mapping[str, Analyst], weights: Mapping[str, float] | None = None
    ) -> None:
        if isinstance(analysts, str) or not analysts:
            raise ConfigError(
                f"{_TABLE} analysts must be a list of names, not {analysts!r}",
                hint='write analysts = ["offline", "llm"]',
            )
        names = list(analysts)
        if self.name in names or len(set(names)) < len(names):
            raise ConfigError(
                f"{_TABLE} analysts = {names!r} names itself or somebody twice",
                hint="name each of others once",
            )
        self._weights = _checked(weights or {}, names)
        self._names = names
        self._members: dict[str, Analyst] = {}
        if isinstance(analysts, Mapping):
            self._join(analysts)

    def use_host(self, host: PluginHost) -> None:
        """Make the members through the plugin host, each with its own table of `robo.toml`."""
        if not self._members:
            self._join({name: host.create("analyst", name) for name in self._names})

    def describe(self) -> Mapping[str, Any]:
        """Return each member's weight and own description."""
        return {
            name: {"weight": self._weights[name], **member.describe()}
            for name, member in self._members.items()
        }

    def estimate(self, events: Sequence[Event]) -> Estimate:
        """Return what its members would cost on `events`; nothing is asked."""
        from robo_trader.intelligence.estimate import estimate, together

        return together(estimate(events, member) for member in self._members.values())

    async def read(self, event: Event) -> list[View] | Abstain:
        """Return one view for each symbol that a member speaks of, or abstain when all do."""
        if not self._members:
            raise ConfigError("the ensemble has no members", hint="make it through the plugin host")
        asked = [name for name, member in self._members.items() if event.kind in member.kinds]
        answers = dict(zip(asked, await asyncio.gather(*(self._ask(n, event) for n in asked)), strict=True))
        views = {name: answer for name, answer in answers.items() if not isinstance(answer, Abstain)}
        if not views:
            reasons = "; ".join(f"{n}: {a.reason}" for n, a in answers.items() if isinstance(a, Abstain))
            return Abstain(reasons or f"no member reads the kind {event.kind!r}")
        symbols = dict.fromkeys(view.symbol for said in views.values() for view in said)
        asked_weight = sum(self._weights[name] for name in asked)
        return [self._together(symbol, views, asked_weight) for symbol in symbols]

    def _together(self, symbol: str, said: Mapping[str, Sequence[View]], asked: float) -> View:
        parts = [(n, self._weights[n], v) for n, views in said.items() for v in views if v.symbol == symbol]
        weight = sum(w for _, w, _ in parts)
        trust = sum(w * v.confidence for _, w, v in parts)
        # Members without any confidence still have a score; they count by weight alone.
        shares = [(n, w * v.confidence / trust if trust else w / weight, v) for n, w, v in parts]
        score = sum(share * v.score for _, share, v in shares)
        # How far each stands from the common score, 0 to 1: the disagreement.
        apart = sum(share * abs(v.score - score) for _, share, v in shares)
        confidence = trust / weight * (1.0 - min(1.0, apart)) * (0.5 + 0.5 * min(1.0, weight / asked))
        seconds = sum(share * v.horizon.total_seconds() for _, share, v in shares)
        return View(
            symbol=symbol,
            score=max(-1.0, min(1.0, round(score, 6))),
            confidence=max(0.0, min(1.0, round(confidence, 6))),
            horizon=timedelta(seconds=round(seconds)),
            because="; ".join(f"{n} {v.score:+.2f}: {v.because}" for n, _, v in shares),
        )

    async def _ask(self, name: str, event: Event) -> Sequence[View] | Abstain:
        try:
            answer = self._members[name].read(event)
            return await answer if inspect.isawaitable(answer) else answer
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - a member may be a stranger's
            return Abstain(f"it failed: {type(error).__name__}: {error}")

    def _join(self, members: Mapping[str, Analyst]) -> None:
        self._members = dict(members)
        self.kinds = frozenset().union(*(member.kinds for member in members.values()))
        # In sample as soon as one of them is, and as late as the slowest.
        known = [m.clean_from for m in members.values() if getattr(m, "clean_from", None) is not None]
        self.clean_from: datetime | None = max((at for at in known if at is not None), default=None)
        late = [m.latency for m in members.values() if getattr(m, "latency", None) is not None]
        self.latency: timedelta | None = max((lag for lag in late if lag is not None), default=None)


def _checked(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise ConfigError(f"{_TABLE} weights must be a table, not {weights!r}", hint="write {offline = 1.0}")
    for name, weight in weights.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"its analysts are {', '.join(names)}"
            raise ConfigError(f"{_TABLE} weights names {name!r}, who is no member", hint=hint)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise ConfigError(f"{_TABLE} weights.{name} = {weight!r}", hint="give a number above 0")
    return {name: float(weights.get(name, 1.0)) for name in names}
