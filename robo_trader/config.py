"""Configuration: `robo.toml`, the environment and the command line, each value with its origin.

Precedence: flag, environment (``ROBO_RUN__CASH``), file, default. An unknown key or table, a
value of the wrong type or an unreadable file is a `ConfigError` that names the place and the
value seen. Secrets leave this module unmasked only where a caller asks for it by `resolve`: a
value ``"env:NAME"`` is kept and shown as that text, and what `rows` and `resolved` return is
masked (see `masking`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robo_trader.config_schema import KEYS, PLUGIN_TABLES, SCHEMA, TABLES, config_reference_markdown
from robo_trader.config_values import check, copy, literal, parse_duration, plain, show
from robo_trader.errors import ConfigError, did_you_mean
from robo_trader.masking import is_secret, mask, mask_url

__all__ = [
    "Config",
    "ConfigRow",
    "config_reference_markdown",
    "is_secret",
    "load_config",
    "mask",
    "mask_url",
    "parse_duration",
]

FILE_NAME = "robo.toml"
ENV_PREFIX = "ROBO_"


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One line of `robo config show`: a dotted key, its value as text (masked), its origin."""

    key: str
    value_shown: str
    origin: str


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    origin: str


class Config:
    """The configuration of one command: frozen values, each with where it came from.

    Made by `load_config`; `Config()` holds the defaults alone. `path` is the file that was read.
    """

    def __init__(
        self,
        values: Mapping[str, _Value] = MappingProxyType({}),
        plugins: Mapping[tuple[str, str], Mapping[str, _Value]] = MappingProxyType({}),
        *,
        path: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._values = {key.name: values.get(key.name, _Value(key.default, "default")) for key in SCHEMA}
        self._plugins = {name: dict(table) for name, table in plugins.items()}
        self._environ = dict(os.environ if environ is None else environ)

    def get(self, key: str) -> Any:
        """Return the value of a dotted key, for example ``config.get("run.cash")``.

        Lists and tables are copies; dates are ISO text; ``"env:NAME"`` is returned as it stands
        (see `resolve`). An unknown key is a `ConfigError`.
        """
        return copy(self._entry(key).value)

    def origin(self, key: str) -> str:
        """Return where a key's value came from: a flag, a variable, a file or ``default``."""
        return self._entry(key).origin

    def is_default(self, key: str) -> bool:
        """Tell whether nobody has set `key`."""
        return self._entry(key).origin == "default"

    def duration(self, key: str) -> timedelta:
        """Return a duration key as a timedelta."""
        return parse_duration(self.get(key), key)

    def resolve(self, key: str) -> Any:
        """Return the value of `key` with ``"env:NAME"`` replaced by what the variable holds."""
        return self._resolved(self.get(key), key)

    def table(self, name: str) -> dict[str, Any]:
        """Return the keys of one table without its prefix; plugin tables are not in it."""
        if name not in TABLES:
            raise ConfigError(f"there is no table [{name}]", hint=did_you_mean(name, TABLES))
        prefix = f"{name}."
        return {k.removeprefix(prefix): self.get(k) for k in self._values if k.startswith(prefix)}

    def plugin_table(
        self, table: str, name: str, *, resolve: bool = False, unset: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return ``[table.name]`` as written; with `resolve`, ``"env:NAME"`` values are filled in.

        A variable that is not set raises `ConfigError` naming it; but for a key in `unset`, whose value
        then stays as written.
        """
        entries = self._plugins.get((table, name), {})
        written = {key: copy(entry.value) for key, entry in entries.items()}
        if not resolve:
            return written
        return {
            key: value
            if key in unset and isinstance(value, str) and value.removeprefix("env:") not in self._environ
            else self._resolved(value, f"[{table}.{name}] {key}")
            for key, value in written.items()
        }

    def plugin_tables(self) -> list[tuple[str, str]]:
        """Return every ``(table, name)`` that somebody has configured, sorted."""
        return sorted(self._plugins)

    def rows(self) -> list[ConfigRow]:
        """Return every value with its origin, secrets masked, in the order of the schema."""
        out = [
            ConfigRow(key, show(mask(key, entry.value)), entry.origin) for key, entry in self._values.items()
        ]
        for (table, name), entries in sorted(self._plugins.items()):
            for key, entry in entries.items():
                shown = show(mask(key, entry.value))
                out.append(ConfigRow(f"{table}.{name}.{key}", shown, entry.origin))
        return out

    def resolved(self) -> dict[str, Any]:
        """Return everything as nested plain dicts, secrets masked: safe for `run.json`."""
        out: dict[str, Any] = {table: {} for table in TABLES}
        for key, entry in self._values.items():
            table, _, name = key.partition(".")
            out[table][name] = plain(mask(key, entry.value))
        for (table, name), entries in sorted(self._plugins.items()):
            out[table][name] = {key: plain(mask(key, entry.value)) for key, entry in entries.items()}
        return out

    def _entry(self, key: str) -> _Value:
        try:
            return self._values[key]
        except KeyError:
            raise ConfigError(f"there is no key {key!r}", hint=did_you_mean(key, KEYS)) from None

    def _resolved(self, value: Any, where: str) -> Any:
        if isinstance(value, str) and value.startswith("env:"):
            variable = value.removeprefix("env:")
            if variable not in self._environ:
                raise ConfigError(
                    f"{where} asks for the environment variable {variable}, which is not set",
                    hint=f"export {variable}=… and run again",
                )
            return self._environ[variable]
        if isinstance(value, dict):
            return {k: self._resolved(v, f"{where}.{k}") for k, v in value.items()}
        if isinstance(value, list):
            return [self._resolved(v, where) for v in value]
        return value


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    flags: Mapping[str, Any] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read the configuration: `flags` over `environ` over the file over the defaults.

    `path` None means ``robo.toml`` in the current folder, if there is one; a path given must
    exist. `flags` maps dotted keys to values; None means that the flag was not given.
    `environ` defaults to the process's. Everything wrong is a `ConfigError`.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, _Value] = {}
    plugins: dict[tuple[str, str], dict[str, _Value]] = {}
    file = Path(path) if path is not None else Path(FILE_NAME)
    found = path is not None or file.is_file()
    if found:
        _read_file(file, values, plugins)
    _read_environ(environ, values, plugins)
    for name, value in flags.items():
        if value is None:
            continue
        if name not in KEYS:
            raise ConfigError(f"there is no key {name!r}", hint=did_you_mean(name, KEYS))
        flag = KEYS[name].flag
        values[name] = _Value(check(KEYS[name], value, flag, text=True), f"flag {flag}")
    return Config(values, plugins, path=file if found else None, environ=environ)


def _read_file(
    file: Path, values: dict[str, _Value], plugins: dict[tuple[str, str], dict[str, _Value]]
) -> None:
    import tomllib

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "check the path of --config"
        raise ConfigError(f"there is no configuration file {file}", hint=hint) from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    origin = f"file {file}"
    for table, content in document.items():
        if table not in TABLES:
            where = f"{file}: [{table}]" if isinstance(content, dict) else f"{file}: {table}"
            raise ConfigError(f"{where} is not known", hint=_suggest_table(table, content))
        if not isinstance(content, dict):
            raise ConfigError(
                f"{file}: {table} must be a table, not {show(mask(table, content))}", hint=f"write [{table}]"
            )
        for name, value in content.items():
            key = KEYS.get(f"{table}.{name}")
            where = f"{file}: [{table}] {name}"
            if key is not None:
                values[key.name] = _Value(check(key, value, where), origin)
            elif table in PLUGIN_TABLES and isinstance(value, dict) and not _near_a_table(table, name):
                plugins[table, name] = {k: _Value(copy(v), origin) for k, v in value.items()}
            else:
                raise ConfigError(f"{where} is not known", hint=_suggest_key(table, name))


def _read_environ(
    environ: Mapping[str, str],
    values: dict[str, _Value],
    plugins: dict[tuple[str, str], dict[str, _Value]],
) -> None:
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX) or "__" not in variable:
            continue
        table, *rest = variable.removeprefix(ENV_PREFIX).split("__")
        table = table.lower()
        where, text = f"the environment variable {variable}", environ[variable]
        origin = f"environment {variable}"
        if table not in TABLES:
            raise ConfigError(f"{where} names the unknown table [{table}]", hint=did_you_mean(table, TABLES))
        key = KEYS.get(f"{table}.{rest[0].lower()}")
        if len(rest) == 1 and key is not None and key.type != "table":
            values[key.name] = _Value(check(key, text, where, text=True), origin)
        elif len(rest) == 3 and key is not None and key.type == "table":
            before = values.get(key.name, _Value(key.default, "default"))
            one = check(key, {rest[1]: {rest[2].lower(): text}}, f"{where}: symbols", text=True)
            symbols = {**before.value, rest[1]: {**before.value.get(rest[1], {}), **one[rest[1]]}}
            joined = origin if before.origin == "default" else f"{before.origin}, {origin}"
            values[key.name] = _Value(symbols, joined)
        elif len(rest) == 2 and key is None and table in PLUGIN_TABLES:
            name = _same_table(table, rest[0].lower(), plugins)
            option = rest[1].lower()
            plugins.setdefault((table, name), {})[option] = _Value(literal(option, text), origin)
        else:
            raise ConfigError(f"{where} is not known", hint=_suggest_key(table, rest[0].lower()))


def _same_table(table: str, name: str, plugins: Mapping[tuple[str, str], Any]) -> str:
    """Return how the file spells `name`: a variable knows neither small letters nor ``-``."""
    for other_table, other in plugins:
        if other_table == table and other.lower().replace("-", "_") == name:
            return other
    return name


def _suggest_table(table: str, content: Any) -> str:
    owners = [key.table for key in SCHEMA if key.name == f"{key.table}.{table}"]
    if owners and not isinstance(content, dict):
        return f"did you mean {table} under [{owners[0]}]?"
    return did_you_mean(table, TABLES) or "tables are " + ", ".join(TABLES)


def _suggest_key(table: str, name: str) -> str:
    known = [key.name.partition(".")[2] for key in SCHEMA if key.table == table]
    near = did_you_mean(name, known)
    if near:
        return near
    if not known and table in PLUGIN_TABLES:
        return f"[{table}] holds one table per plugin, such as [{table}.NAME]"
    elsewhere = [key.table for key in SCHEMA if key.name == f"{key.table}.{name}"]
    if elsewhere:
        return f"{name} belongs to [{elsewhere[0]}]"
    return f"keys of [{table}] are " + ", ".join(known)


def _near_a_table(table: str, name: str) -> bool:
    """Tell whether a sub-table is one of ours misspelt, such as ``[bars.symbol.VIX]``."""
    ours = [key.name.partition(".")[2] for key in SCHEMA if key.table == table and key.type == "table"]
    return any(name.lower().rstrip("s") == own.rstrip("s") for own in ours)
