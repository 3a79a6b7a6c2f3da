"""Every key of the configuration, with its type, its default and what it means.

The tables of this module are the only place where a key is named: loading, checking, `robo config`
and `docs/configuration.md` read them. Nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Type = Literal["text", "list", "int", "number", "bool", "date", "duration", "table"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration: its type, default, and what it means.

    `optional` keys may be unset (None). `least` is the lowest number allowed; `choices` are the
    texts allowed.
    """

    name: str
    type: Type
    default: Any
    about: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    optional: bool = False

    @property
    def table(self) -> str:
        """The table that the key stands in."""
        return self.name.partition(".")[0]

    @property
    def flag(self) -> str:
        """The flag of the command line that sets the key, where a command has one."""
        return _FLAGS.get(self.name) or "--" + self.name.rpartition(".")[2].replace("_", "-")


def _unset(name: str, type: Type, about: str, **more: Any) -> Key:
    return Key(name, type, None, about, optional=True, **more)


_FLAGS = {
    "run.strategy": "STRATEGY",
    "run.report": "--no-report",
    "bars.source": "--bars",
    "events.sources": "--events",
    "risk.profile": "--risk",
}
_SESSIONS = ("regular", "all")
_STAMPS = ("start", "end", "date")
_ALIGNS = ("session", "none")
_PRICES = ("TRADES", "MIDPOINT", "BID", "ASK")
#: The `least` of a number that must lie above 0.
ABOVE_0 = 1e-12

#: Every key there is. `docs/configuration.md` is generated from it.
SCHEMA: tuple[Key, ...] = (
    _unset("run.strategy", "text", "what `robo backtest` runs when no strategy is named"),
    _unset("run.symbols", "list", "symbols to load; unset: all that the source has"),
    _unset("run.start", "date", "first session date, inclusive"),
    _unset("run.end", "date", "last session date, inclusive"),
    _unset("run.timeframe", "text", "bars to run on: `1m`, `5m`, `1h`, `1d`, …; unset: as they come"),
    Key("run.cash", "number", 100000.0, "starting cash in account currency", least=ABOVE_0),
    Key("run.commission", "number", 0.0, "commission as a fraction of value: 0.001 is 0.1 %", least=0),
    Key("run.slippage", "number", 0.0, "slippage as a fraction of price", least=0),
    Key("run.seed", "int", 0, "seed of everything random", least=0),
    Key("run.fill_rules", "text", "honest", "how orders are matched with bars", ("honest", "stock")),
    Key("run.fractional", "bool", False, "allow fractions of a share where the strategy sizes by percent"),
    _unset("run.benchmark", "text", "symbol to compare with"),
    Key("run.out", "text", "runs", "parent folder of run directories"),
    Key("run.report", "bool", True, "write `report.html`"),
    Key("run.engine", "text", "fast", "the way through the bars; both give the same", ("fast", "plain")),
    _unset("run.warmup", "int", "bars before the strategy may trade", least=0),
    _unset("run.strategy_tz", "text", "zone in which `data.datetime` reads for the strategy; unset: UTC"),
    Key("run.baselines", "bool", True, "run the baselines beside the strategy"),
    Key("bars.source", "text", "bundled", "`bundled`, a folder of SYMBOL.csv, a file or a bar source's name"),
    _unset("bars.calendar", "text", "exchange calendar (`XNYS`, `24/7`, …); unset: by instrument"),
    Key("bars.session", "text", "regular", "keep the regular session's bars only, or all", _SESSIONS),
    _unset("bars.stamps", "text", "what the stamps of bars mark; unset: proven or refused", choices=_STAMPS),
    _unset("bars.tz", "text", "IANA time zone of stamps that carry none"),
    Key("bars.align", "text", "session", "deliver daily bars of one session together", _ALIGNS),
    Key("bars.repair", "bool", False, "fix what is unambiguous and record it"),
    Key("bars.adjusted", "bool", False, "prices know later splits and dividends"),
    _unset("bars.timeframe", "text", "what a file's bars are where their stamps do not tell"),
    Key("bars.symbols", "table", {}, "settings for one symbol: `[bars.symbols.VIX]`"),
    Key("events.sources", "list", (), "events files and event sources to read"),
    Key("events.assume_delay", "duration", "60s", "added to published_at where nobody recorded the arrival"),
    Key("events.every", "duration", "60s", "between two polls of a source that does not say its own"),
    _unset(
        "events.store",
        "text",
        "database of the event store; unset: `.robo/events.sqlite`, a session's is a file in `.robo/news/`",
    ),
    Key("intelligence.analyst", "text", "offline", "the analysts behind the role `news`, by comma"),
    Key("intelligence.latency", "duration", "2s", "from an event to its signal in a backtest"),
    Key("risk.profile", "text", "default", "the risk profile: `default`, `off` or a TOML file of limits"),
    _unset("risk.sectors", "text", "CSV file of symbol,sector over the built-in map"),
    _unset("journal.url", "text", "database of the journal"),
    _unset("state.url", "text", "store of the running state"),
    Key("plugins.disabled", "list", (), "plugins that are not loaded"),
    _unset("live.ib", "text", "`HOST:PORT` of TWS or IB Gateway; unset: `robo paper` rehearses by itself"),
    Key("live.client_id", "int", 1, "the session's number at the gateway, its own", least=0),
    _unset("live.account", "text", "the account to trade; to send orders it is typed in full"),
    Key("live.timeout", "duration", "10s", "how long the gateway may take to start and to answer"),
    Key("live.history", "int", 500, "bars of history that a strategy has before the first live one", least=0),
    Key("live.grace", "duration", "2s", "how long after a bar's end its last update may come"),
    Key("live.prices", "text", "TRADES", "what live bars are made of", _PRICES),
    Key("live.regular", "bool", True, "live bars of the regular session only"),
    Key("live.speed", "text", "1d/s", "pace of a rehearsal: `1d/s`, `60x`, `max`"),
    Key("live.what_if", "number", 0.05, "larger orders, as parts of the capital, are previewed", least=0),
    Key("live.max_age", "duration", "15m", "an older event makes no signal"),
    Key("live.queue", "int", 10_000, "events that may wait for one analyst", least=1),
    Key("live.drain", "duration", "5s", "how long a session that ends reads what waits"),
    Key("live.capital_least", "number", 1000.0, "the least capital that `robo live` trades", least=ABOVE_0),
    Key("live.capital_most", "number", 10000.0, "the most capital that `robo live` trades", least=ABOVE_0),
    Key("live.reconcile_age", "duration", "24h", "how old the last reconcile may be to send with real money"),
    Key("live.evidence_sessions", "int", 30, "paper sessions needed before real money", least=30),
)
KEYS: Mapping[str, Key] = MappingProxyType({key.name: key for key in SCHEMA})

#: Tables that may hold ``[table.N]`` for the plugin thing named N.
PLUGIN_TABLES = ("strategies", "events", "intelligence", "signals", "bars", "risk", "notify")
TABLES = tuple(sorted({key.table for key in SCHEMA} | set(PLUGIN_TABLES)))

#: What `[bars.symbols.X]` may say.
SYMBOL_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        key.name: key
        for key in (
            _unset("calendar", "text", "exchange calendar"),
            _unset("session", "text", "regular session or all bars", choices=_SESSIONS),
            _unset("stamps", "text", "what stamps mark", choices=_STAMPS),
            _unset("tz", "text", "IANA time zone of stamps that carry none"),
            _unset("align", "text", "deliver with the session's other bars", choices=_ALIGNS),
            _unset("repair", "bool", "fix what is unambiguous"),
            _unset("adjusted", "bool", "prices know later splits and dividends"),
            _unset("timeframe", "text", "what the bars are where their stamps do not tell"),
            _unset("tick", "number", "smallest price step", least=ABOVE_0),
            _unset("multiplier", "number", "money per point of price and unit of size", least=ABOVE_0),
            _unset("lot", "number", "smallest size step", least=ABOVE_0),
            _unset("sector", "text", "sector of the risk limits"),
            _unset("currency", "text", "ISO code of the currency"),
            _unset("sec_type", "text", "Interactive Brokers security type: STK, FUT, CASH, …"),
            _unset("exchange", "text", "Interactive Brokers exchange"),
        )
    }
)


def config_reference_markdown() -> str:
    """Return the tables of every key for `docs/configuration.md`."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in SCHEMA:
        default = "–" if key.default is None else f"`{json.dumps(key.default)}`"
        lines.append(f"| `{key.name}` | {_type(key)} | {default} | {key.about} |")
    lines += ["", "For one symbol, in `[bars.symbols.NAME]`:", ""]
    lines += ["| key | type | meaning |", "|---|---|---|"]
    lines += [f"| `{key.name}` | {_type(key)} | {key.about} |" for key in SYMBOL_KEYS.values()]
    return "\n".join(lines) + "\n"


def _type(key: Key) -> str:
    return " or ".join(f"`{choice}`" for choice in key.choices) if key.choices else key.type
