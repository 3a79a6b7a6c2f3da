"""The risk profile: which rules guard a run, and with which limits.

``default`` asks every built-in rule with its own limits, changed by the tables ``[risk.RULE]`` of
`robo.toml`; ``off`` asks none; a TOML file holds one table a rule, over both. A rule of a plugin is
asked when one of these names it. Anything wrong is a `ConfigError`: an unknown rule or option (with
the nearest known one), a limit out of range, a file that cannot be read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_trader.config import Config
from robo_trader.errors import ConfigError, PluginError, did_you_mean
from robo_trader.hookspecs import Offer
from robo_trader.plugin_targets import make
from robo_trader.plugins import PluginHost
from robo_trader.risk.guard import Guard, Halts
from robo_trader.risk.limits import Limits
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.sectors import SectorMap

DEFAULT = "default"
OFF = "off"

#: The built-in rules, in the order in which they are asked and reported.
BUILT_IN = (
    "position",
    "sector",
    "gross",
    "net",
    "leverage",
    "daily_loss",
    "drawdown",
    "correlation",
    "orders_per_minute",
    "duplicate",
    "allow",
    "deny",
    "trading_hours",
)
#: What a profile file may say beside its rules.
_SECTORS = "sectors"


@dataclass(frozen=True, slots=True)
class Profile:
    """A risk profile put together: the options of each rule that is asked, and its sector file.

    `rules` maps names to options in the order in which they are asked; `sectors` is None where the
    project's own map alone counts.
    """

    name: str
    rules: Mapping[str, Mapping[str, Any]]
    sectors: Path | None


def resolve_profile(config: Config, host: PluginHost) -> Profile | None:
    """Return what ``risk.profile``, its file and the tables of `robo.toml` come to; None for ``off``."""
    profile = config.get("risk.profile")
    if profile == OFF:
        return None
    tables = {name: config.plugin_table("risk", name, resolve=True) for name in _configured(config)}
    sectors = config.get("risk.sectors")
    where = "robo.toml"
    if profile != DEFAULT:
        where = str(_file(profile))
        said = _read(Path(profile))
        sectors = said.pop(_SECTORS, sectors)
        for name, value in said.items():
            tables[name] = _merged(tables.get(name), value)
    for name in tables:
        _known(name, host, where)
    rules: dict[str, Mapping[str, Any]] = {}
    for name in (*BUILT_IN, *sorted(set(tables) - set(BUILT_IN))):
        options = tables.get(name, {})
        enabled = options.get("enabled", True)
        if not isinstance(enabled, bool):
            raise ConfigError(f"[risk.{name}] enabled must be true or false, not {enabled!r}")
        if enabled:
            rules[name] = {key: value for key, value in options.items() if key != "enabled"}
    return Profile(profile, rules, _sector_file(sectors, profile))


def load_guard(config: Config, host: PluginHost, *, halts: Halts | None = None) -> Guard | None:
    """Return the guard that ``risk.profile`` describes, or None for ``off``.

    `halts` is the halt state of a live session; a backtest has none.
    """
    profile = resolve_profile(config, host)
    if profile is None:
        return None
    rules: dict[str, RiskRule] = {
        name: make(Offer("risk_rule", name, ""), host.target("risk_rule", name), dict(given))
        for name, given in profile.rules.items()
    }
    placed = SectorMap.load(profile.sectors)
    told = [
        table.get("sector") for table in config.get("bars.symbols").values() if isinstance(table, Mapping)
    ]
    known = {*placed.names(), *(name for name in told if isinstance(name, str))}
    for name, rule in rules.items():
        _check_sectors(name, getattr(rule, "limits", None), known)
    return Guard(rules, sectors=placed, halts=halts, profile=profile.name)


def _configured(config: Config) -> list[str]:
    return [name for table, name in config.plugin_tables() if table == "risk"]


def _known(name: str, host: PluginHost, where: str) -> None:
    names = host.names("risk_rule")
    if name not in names:
        near = did_you_mean(name, names) or did_you_mean(name, [_SECTORS])
        try:
            host.target("risk_rule", name)
        except PluginError as error:
            # A broken plugin's rule says more than that nobody knows it.
            if "broken" in error.message:
                raise
        raise ConfigError(
            f"{where}: there is no risk rule {name!r}", hint=near or f"rules are {', '.join(names)}"
        )


def _file(profile: str) -> Path:
    path = Path(profile)
    if not path.is_file():
        near = did_you_mean(profile, (DEFAULT, OFF))
        raise ConfigError(
            f"there is no risk profile {profile!r}",
            hint=near or "use default, off, or the path of a TOML file with limits",
        )
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _merged(before: Mapping[str, Any] | None, value: Any) -> dict[str, Any]:
    """Return a rule's options: a table over what was there, ``false``, or the limit alone."""
    if isinstance(value, Mapping):
        return {**(before or {}), **value}
    if value is False:
        return {"enabled": False}
    return {**(before or {}), "limit": value}


def _check_sectors(rule: str, limits: Any, known: Collection[str]) -> None:
    """Refuse a limit for a sector that looks misspelt: nothing would be held to it.

    A symbol that nobody placed is a sector of its own, so that what is no near miss passes.
    """
    folded = {name.casefold() for name in known}
    for name in limits.named if isinstance(limits, Limits) else ():
        near = did_you_mean(name, known)
        if near and name.casefold() not in folded and not name.isupper():
            raise ConfigError(f"[risk.{rule}] sectors: nobody is in {name!r}", hint=near)


def _sector_file(file: Any, profile: str) -> Path | None:
    if file is None:
        return None
    if not isinstance(file, str) or not file:
        raise ConfigError(f"{profile}: sectors must be the path of a CSV file, not {file!r}")
    path = Path(file)
    if not path.is_absolute() and not path.exists() and profile not in (DEFAULT, OFF):
        path = Path(profile).parent / path
    return path
