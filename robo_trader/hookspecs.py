"""The hooks of robo_trader: what a plugin may implement, and the `add` object that registers.

A plugin is a module (or an object) named by an entry point of the group ``robo_trader``. It marks
functions with `hookimpl`; their names and argument names must be those written here. The host
refuses an unknown ``robo_*`` name or argument, because pluggy alone would ignore the first.

Nothing here raises while a run goes on: what a plugin does wrong in `Registry` is a `PluginError`
that the host turns into a quarantined row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from robo_trader.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from robo_trader.records import Alert, Decision, Fill

#: The pluggy project name and the entry-point group that the host reads.
GROUP = "robo_trader"

#: The version of the hooks below. A plugin that needs a newer one says ``ROBO_API = 2``.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)

_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*\Z", re.IGNORECASE)
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that a plugin can offer.

    `name` is also the registration method's name; `table` is the table of `robo.toml` whose
    sub-table ``[table.N]`` holds the keyword arguments of the thing named N. `base` is the class
    to derive from. A target needs the method `method`, which the host calls with `arguments` by
    position, and with `further` too where its signature asks for them; a class that has the method
    need not derive from `base`.
    """

    name: str
    table: str
    base: str
    method: str = ""
    arguments: tuple[str, ...] = ()
    further: tuple[str, ...] = ()


#: Every kind, by name. A strategy has no method to judge: it must derive from Backtrader's.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("strategy", "strategies", "backtrader.strategy.Strategy"),
        Kind("event_source", "events", "robo_trader.events.source.EventSource", "fetch", ("since", "until")),
        Kind(
            "analyst",
            "intelligence",
            "robo_trader.intelligence.analyst.Analyst",
            "read",
            ("event",),
            ("past",),
        ),
        Kind("signal", "signals", "robo_trader.signals.source.SignalSource", "score", ("bars",)),
        Kind(
            "bars",
            "bars",
            "robo_trader.bars.source.BarSource",
            "load",
            ("symbol", "start", "end", "timeframe"),
        ),
        Kind("risk_rule", "risk", "robo_trader.risk.rule.RiskRule", "check", ("intent", "book")),
        Kind("notifier", "notify", "robo_trader.monitoring.notifier.Notifier", "send", ("alert",)),
    )
}


#: Names that mean something of our own.
RESERVED: dict[str, tuple[str, ...]] = {
    "bars": ("bundled",),
    "event_source": ("bundled",),
    "analyst": ("models",),
}

#: Tables of robo.toml that everything of a kind is given whose constructor has a parameter of that
#: name: `[intelligence.models.NAME]` reaches each analyst that asks for ``models``.
SHARED: dict[str, tuple[str, ...]] = {"analyst": ("models",)}


@dataclass(frozen=True, slots=True)
class Offer:
    """One registered thing: its kind, its name, and a class or ``"module:Class"``."""

    kind: str
    name: str
    target: type | str


class Registry:
    """The `add` of `robo_register`: it collects what one plugin offers.

    Each method takes the `name` under which users will ask for the thing, and its `target`: a
    class, or the text ``"module:Class"``, which is imported when somebody first needs it.
    A bad name or target, or a name given twice for one kind, raises `PluginError`.
    """

    def __init__(self) -> None:
        self.offers: list[Offer] = []

    def strategy(self, name: str, target: type | str) -> None:
        """Offer a strategy: a class derived from `Strategy` or from plain `bt.Strategy`."""
        self._add("strategy", name, target)

    def event_source(self, name: str, target: type | str) -> None:
        """Offer an `EventSource`: ``fetch(since, until)`` yields events."""
        self._add("event_source", name, target)

    def analyst(self, name: str, target: type | str) -> None:
        """Offer an `Analyst`: ``read(event)`` returns views, or abstains."""
        self._add("analyst", name, target)

    def signal(self, name: str, target: type | str) -> None:
        """Offer a `SignalSource`: ``score(bars)`` returns one number per bar."""
        self._add("signal", name, target)

    def bars(self, name: str, target: type | str) -> None:
        """Offer a `BarSource`: ``load(symbol, start, end, timeframe)`` returns a `BarFrame`."""
        self._add("bars", name, target)

    def risk_rule(self, name: str, target: type | str) -> None:
        """Offer a `RiskRule`: ``check(intent, book)`` allows, resizes or vetoes an order."""
        self._add("risk_rule", name, target)

    def notifier(self, name: str, target: type | str) -> None:
        """Offer a `Notifier`: ``send(alert)`` tells a person."""
        self._add("notifier", name, target)

    def _add(self, kind: str, name: str, target: type | str) -> None:
        call = f"add.{kind}({name!r}, …)"
        if not isinstance(name, str) or not _NAME.match(name):
            raise PluginError(
                f"{call}: a name must be letters, digits, '-' and '_', not {name!r}",
                hint="for example 'my_signal'",
            )
        if isinstance(target, str):
            if not _TARGET.match(target):
                raise PluginError(
                    f"{call}: the target {target!r} does not say where the class is",
                    hint="write it as 'package.module:Class'",
                )
        elif not isinstance(target, type):
            raise PluginError(
                f"{call}: the target must be a class or 'module:Class', not {target!r}",
                hint="pass the class itself; the host makes the instance",
            )
        if any(offer.kind == kind and offer.name == name for offer in self.offers):
            raise PluginError(f"{call}: this plugin registers the {kind} {name!r} twice")
        self.offers.append(Offer(kind, name, target))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise PluginError(
            f"add has no method {name!r}",
            hint=did_you_mean(name, KINDS) or "it has " + ", ".join(KINDS),
        )


class Hooks:
    """Every hook with its exact arguments.

    `robo_register` is called once, when the plugin is loaded. The others only watch: what they
    return is ignored, and an exception in one becomes a warning of the run, once.
    """

    @hookspec
    def robo_register(self, add: Registry) -> None:
        """Register what the plugin offers; `add` has one method for each kind."""

    @hookspec
    def robo_run_started(self, run: Any) -> None:
        """A run begins; `run` describes it (id, strategy, parameters, symbols)."""

    @hookspec
    def robo_order_decided(self, decision: Decision) -> None:
        """An order was allowed, resized or vetoed, before it reaches any broker."""

    @hookspec
    def robo_fill(self, fill: Fill) -> None:
        """An order was executed, wholly or in part."""

    @hookspec
    def robo_run_finished(self, result: Any) -> None:
        """A run ended, whichever way; `result` is what `robo_trader.backtest` returns."""

    @hookspec
    def robo_alert(self, alert: Alert) -> None:
        """Something happened that a person should hear of now."""


#: Hook names with the names of their arguments, read from `Hooks`.
HOOKS: dict[str, tuple[str, ...]] = {
    name: spec.__code__.co_varnames[1 : spec.__code__.co_argcount]
    for name, spec in vars(Hooks).items()
    if name.startswith("robo_")
}

#: The hooks that watch.
OBSERVERS = tuple(name for name in HOOKS if name != "robo_register")
