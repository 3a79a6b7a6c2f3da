"""The plugin host: load every plugin, keep the broken ones in quarantine, hand out what they offer.

A plugin that cannot be imported, that leaves by `SystemExit`, misspells a hook or offers a name
that another offers too is quarantined with its error, its traceback and a next step; the rest go
on. With ``ROBO_PLUGINS_STRICT=1`` such a failure is a `PluginError`. ``ROBO_PLUGINS=a,b`` loads
just those, an empty one none; built-ins always load. `KeyboardInterrupt` always passes.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from robo_trader import __version__
from robo_trader.config import Config, is_secret
from robo_trader.config_schema import KEYS
from robo_trader.errors import ConfigError, PluginError, RoboError, did_you_mean
from robo_trader.hookspecs import GROUP, KINDS, RESERVED, SHARED, Hooks, Offer, Registry
from robo_trader.masking import MASK
from robo_trader.plugin_discovery import Found, discover
from robo_trader.plugin_hooks import as_plugin, hooks_of, label
from robo_trader.plugin_observers import Observers
from robo_trader.plugin_rows import Finding, PluginRow
from robo_trader.plugin_targets import load_target, make, takes

__all__ = ["Finding", "Observers", "PluginHost", "PluginRow", "load_host"]

BUILTIN = "robo_trader"
ALLOW = "ROBO_PLUGINS"
STRICT = "ROBO_PLUGINS_STRICT"
_SHORTEST_SECRET = 4  # Anything shorter would turn whole messages into asterisks.


@dataclass(slots=True)
class _Loaded:
    row: PluginRow
    plugin: object = None
    offers: list[Offer] = field(default_factory=list)


class PluginHost:
    """All plugins of a process: their state, what they offer, and the way to get it.

    Made by `load_host`. `hook` relays to the observers.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._plugins: list[_Loaded] = []
        self._offers: dict[tuple[str, str], tuple[Offer, PluginRow]] = {}
        self._secrets: set[str] = set()
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(Hooks)
        self.hook = Observers(self._manager, self.scrub)

    def rows(self) -> list[PluginRow]:
        """Return one row for each plugin, the built-in one first, then by name."""
        return [loaded.row for loaded in self._plugins]

    def quarantined(self) -> list[PluginRow]:
        """Return the broken plugins; each blocks paper and live trading until it is disabled."""
        return [row for row in self.rows() if row.state == "quarantined"]

    def names(self, kind: str) -> list[str]:
        """Return the names on offer for `kind`, sorted."""
        _known_kind(kind)
        return sorted(name for offered, name in self._offers if offered == kind)

    def provider(self, kind: str, name: str) -> PluginRow:
        """Return the row of the plugin that offers a thing; `PluginError` when none does."""
        return self._find(kind, name)[1]

    def target(self, kind: str, name: str) -> type:
        """Return the class of a thing, imported now if it is lazy.

        Raises `PluginError` when nobody offers it, when its module or attribute is missing or
        raises, and when it does not have the shape of its kind.
        """
        return load_target(*self._find(kind, name))

    def create(self, kind: str, name: str, **more: Any) -> Any:
        """Return a new instance, made with its own table of `robo.toml` as keyword arguments.

        `more` goes over what the table says. ``"env:NAME"`` values are resolved, and masked in every
        message. An option that the class does not take or lacks is a `ConfigError`, an exception in its
        constructor a `PluginError`.
        """
        offer, row = self._find(kind, name)
        cls = load_target(offer, row)
        unset = getattr(cls, "may_be_unset", ())
        options = self._shared(kind, cls) | self.options(kind, name, unset=unset) | more
        try:
            thing = make(offer, cls, options)
            if hasattr(thing, "use_host"):
                thing.use_host(self)  # An ensemble is made of other things of this host.
            return thing
        except (ConfigError, PluginError) as error:
            # Without its cause, whose text may hold what was just resolved.
            raise type(error)(self.scrub(error.message), hint=self.scrub(error.hint)) from None

    def options(self, kind: str, name: str, *, unset: Collection[str] = ()) -> dict[str, Any]:
        """Return the table of `robo.toml` for a thing, ``"env:NAME"`` values resolved.

        From now on `scrub` and `masking` know these values. A variable that is not set is a `ConfigError`;
        but for a key in `unset`, whose value then stays as written.
        """
        table = KINDS[kind].table
        options = self.config.plugin_table(table, name, resolve=True, unset=unset)
        self._remember_secrets(self.config.plugin_table(table, name), options)
        return options

    def _shared(self, kind: str, cls: type) -> dict[str, Any]:
        """Return the tables that a kind shares, as far as the class takes them."""
        table = KINDS[kind].table
        shared = {name: self.config.plugin_table(table, name, resolve=True) for name in SHARED.get(kind, ())}
        return {name: value for name, value in shared.items() if value and takes(cls, name)}

    @contextlib.contextmanager
    def masking(self) -> Iterator[None]:
        """Hide secrets in whatever `RoboError` is raised inside; one that held any loses its cause."""
        try:
            yield
        except RoboError as error:
            told = "".join(traceback.format_exception(error))
            if self.scrub(told) == told:
                raise
            raise type(error)(self.scrub(error.message), hint=self.scrub(error.hint)) from None

    def check(self, name: str) -> list[Finding]:
        """Import everything that the plugin `name` offers and return what is wrong with it.

        `name` is the plugin's or its distribution's; an unknown one is a `PluginError`.
        """
        matching = [loaded for loaded in self._plugins if name in (loaded.row.name, loaded.row.distribution)]
        if not matching:
            hint = did_you_mean(name, [row.name for row in self.rows()])
            raise PluginError(f"no plugin {name!r} is installed", hint=hint or "'robo plugins' lists them")
        findings: list[Finding] = []
        for loaded in matching:
            row = loaded.row
            if row.state != "ok":
                findings.append(Finding(f"plugin {row.name}", f"{row.state}: {row.error}", row.fix))
            for offer in loaded.offers:
                try:
                    load_target(offer, row)
                except PluginError as error:
                    findings.append(Finding(f"{offer.kind} {offer.name}", error.message, error.hint))
        return findings

    def notes(self) -> list[str]:
        """Return a sentence for each plugin that `robo.toml` names and we do not know.

        A table may belong to a plugin that is installed elsewhere, so this is no error.
        """
        kinds = {kind.table: kind.name for kind in KINDS.values()}
        out = []
        for table, name in self.config.plugin_tables():
            kind = kinds[table]
            if name in SHARED.get(kind, ()):
                continue
            near = did_you_mean(name, self.names(kind))
            # A table of strategies may also belong to a strategy from a file.
            if kind == "strategy" and not near:
                continue
            if not any(name in row.offers.get(kind, ()) for row in self.rows()):
                out.append(f"[{table}.{name}] configures no installed {kind}" + (f"; {near}" if near else ""))
        known = {name for row in self.rows() for name in (row.name, row.distribution)}
        for name in self.config.get("plugins.disabled"):
            if name not in known and (near := did_you_mean(name, known)):
                out.append(f"[plugins] disabled names {name!r}, which is not installed; {near}")
        return out

    def scrub(self, text: str) -> str:
        """Return `text` with every secret that was handed to a plugin replaced by ``***``."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, MASK)
        return text

    def _find(self, kind: str, name: str) -> tuple[Offer, PluginRow]:
        _known_kind(kind)
        found = self._offers.get((kind, name))
        if found is not None:
            return found
        for row in self.rows():
            if row.state == "quarantined" and name in row.offers.get(kind, ()):
                raise PluginError(
                    f"the {kind} {name!r} is offered by plugin {row.name!r}, which is broken: {row.error}",
                    hint=row.fix,
                )
        names = self.names(kind)
        known = f"there is {', '.join(names)}" if names else "no plugin offers one"
        raise PluginError(f"there is no {kind} {name!r}", hint=did_you_mean(name, names) or known)

    def _remember_secrets(self, written: Any, resolved: Any, name: str = "") -> None:
        if isinstance(written, Mapping):
            for key, value in written.items():
                self._remember_secrets(value, resolved[key], key)
        elif isinstance(written, list):
            for value, other in zip(written, resolved, strict=True):
                self._remember_secrets(value, other, name)
        elif isinstance(resolved, str) and (written != resolved or is_secret(name)):
            self._secrets.add(resolved)

    # What follows is for `load_host`.

    def _add_row(self, row: PluginRow) -> None:
        self._plugins.append(_Loaded(row))

    def _add(self, named: object, row: PluginRow) -> None:
        """Judge what an entry point named and let it register; a failure is its quarantine."""
        loaded = _Loaded(row)
        registry = Registry()
        self._plugins.append(loaded)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                loaded.plugin = as_plugin(named)
                hooks = hooks_of(loaded.plugin)
                if "robo_register" in hooks:
                    hooks["robo_register"](registry)
                if self._manager.is_registered(loaded.plugin):
                    raise PluginError(
                        f"{label(loaded.plugin)} is already loaded as another plugin",
                        hint="keep one of the entry points that name it",
                    )
                self._manager.register(loaded.plugin, name=f"{row.name} ({row.distribution})")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a stranger's code raises
            row.quarantine_for(error)
        loaded.offers = registry.offers
        for offer in registry.offers:
            row.offers.setdefault(offer.kind, []).append(offer.name)
            table = KINDS[offer.kind].table
            if f"{table}.{offer.name}" in KEYS or offer.name in RESERVED.get(offer.kind, ()):
                why = f"the {offer.kind} name {offer.name!r} has a meaning of its own in [{table}]"
                row.quarantine(why, "choose another name")

    def _settle(self) -> None:
        """Refuse names that two plugins offer, then open the rest to users and observers."""
        self._refuse_clashes([loaded for loaded in self._plugins if loaded.row.state == "ok"])
        for loaded in self._plugins:
            if loaded.row.state == "ok":
                self._offers |= {(o.kind, o.name): (o, loaded.row) for o in loaded.offers}
            elif loaded.plugin is not None and self._manager.is_registered(loaded.plugin):
                self._manager.unregister(loaded.plugin)
        self.hook = Observers(self._manager, self.scrub)

    @staticmethod
    def _refuse_clashes(live: list[_Loaded]) -> None:
        named: dict[str, list[PluginRow]] = {}
        offered: dict[tuple[str, str], list[PluginRow]] = {}
        for loaded in live:
            named.setdefault(loaded.row.name, []).append(loaded.row)
            for offer in loaded.offers:
                offered.setdefault((offer.kind, offer.name), []).append(loaded.row)
        for name, rows in named.items():
            _clash(rows, f"the plugin name {name!r} is used by")
        for (kind, name), rows in offered.items():
            _clash(rows, f"the {kind} {name!r} is offered by")


def load_host(
    config: Config | None = None,
    *,
    third_party: bool = True,
    environ: Mapping[str, str] | None = None,
    path: Iterable[str] | None = None,
) -> PluginHost:
    """Load all plugins and return the host.

    `config` None means defaults only. With `third_party` False just the built-ins are loaded,
    for commands that must work when everything else is broken. `path` replaces `sys.path` in the
    search for installed distributions. Raises `PluginError` only in strict mode.
    """
    environ = os.environ if environ is None else environ
    host = PluginHost(config if config is not None else Config(environ=environ))
    row = PluginRow(BUILTIN, __version__, distribution=BUILTIN)
    host._add(importlib.import_module("robo_trader.builtin"), row)
    if third_party:
        _load_installed(host, discover(path), environ.get(ALLOW))
    host._settle()
    broken = host.quarantined()
    if broken and environ.get(STRICT, "0") not in ("", "0"):
        names = ", ".join(row.name for row in broken)
        raise PluginError(
            f"{STRICT} is set and plugins are broken ({names}): {broken[0].error}", hint=broken[0].fix
        )
    return host


def _load_installed(host: PluginHost, found: list[Found], allowed: str | None) -> None:
    wanted = None if allowed is None else {name.strip() for name in allowed.split(",") if name.strip()}
    disabled = set(host.config.get("plugins.disabled"))
    known = {BUILTIN}
    for plugin in found:
        names = {plugin.name, plugin.distribution}
        known |= names
        row = PluginRow(plugin.name, plugin.version, distribution=plugin.distribution)
        if names & disabled:
            row.disable("it is listed in [plugins] disabled", "take it off that list to load it")
        elif wanted is not None and not names & wanted:
            row.disable(f"{ALLOW} does not name it", f"add {plugin.name} to {ALLOW} to load it")
        elif plugin.entry_point is None:
            row.quarantine(plugin.error, f"pip install --force-reinstall {plugin.distribution}")
        else:
            _load_one(host, plugin.entry_point, row)
            continue
        host._add_row(row)
    for name in sorted((wanted or set()) - known):
        row = PluginRow(name, "")
        fix = did_you_mean(name, known) or f"install it, or take it out of {ALLOW}"
        row.quarantine(f"{ALLOW} names it, but it is not installed", fix)
        host._add_row(row)


def _load_one(host: PluginHost, entry_point: EntryPoint, row: PluginRow) -> None:
    try:
        if not entry_point.pattern.match(entry_point.value):
            raise PluginError(
                f"its entry point {entry_point.value!r} names nothing",
                hint="write 'module' or 'module:object'",
            )
        with contextlib.redirect_stdout(sys.stderr):
            named = entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit at import time, too
        row.quarantine_for(error, f"importing {entry_point.value}: ")
        host._add_row(row)
    else:
        host._add(named, row)


def _clash(rows: list[PluginRow], what: str) -> None:
    """Quarantine all of `rows` if they are several; what is built in keeps its name."""
    if len(rows) < 2:
        return
    builtin = [row for row in rows if row.distribution == BUILTIN]
    strangers = [row for row in rows if row.distribution != BUILTIN]
    labels = ["robo_trader itself" for _ in builtin] + [
        f"{row.name} ({row.distribution})" for row in strangers
    ]
    fix = (
        "rename it in the plugin"
        if builtin
        else f'uninstall one of them, or disable it: [plugins] disabled = ["{strangers[0].distribution}"]'
    )
    for row in strangers:
        row.quarantine(f"{what} {' and '.join(labels)}", fix)


def _known_kind(kind: str) -> None:
    if kind not in KINDS:
        raise PluginError(f"there is no kind {kind!r}", hint=did_you_mean(kind, KINDS) or ", ".join(KINDS))
