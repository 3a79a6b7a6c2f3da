"""The models that are known: whose they are, what they cost, and up to when they know the world.

`models.toml` beside this module holds them; `[intelligence.models.NAME]` of robo.toml adds to them or
replaces one. No figure is guessed: a model without a price has `price` None, one without a cutoff
taints everything (`clean_from` is the end of time). A wrong entry is a `ConfigError`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from robo_trader.errors import ConfigError, did_you_mean
from robo_trader.intelligence.reply import Usage

PROVIDERS = ("anthropic", "openai", "local")
#: The model taken where a provider alone is named.
DEFAULT_MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
#: What passes after a knowledge cutoff before an event counts as unknown to the model.
MARGIN = timedelta(days=90)
#: For a model whose cutoff nobody told: no event is late enough.
NEVER_CLEAN = datetime(9999, 12, 31, tzinfo=UTC)

_MILLION = Decimal(1_000_000)
_PRICES = ("input", "output", "cache_read", "cache_write")
_KEYS = ("provider", "cutoff", "cutoff_source", *_PRICES, "effective", "source")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens, since `effective`, as read at `source`.

    Where no price of the cache is known, reading and writing it costs what other input costs.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    effective: date | None = None
    source: str = ""

    def cost(self, usage: Usage) -> Decimal:
        """Return what `usage` costs, in dollars."""
        return (
            self.input * usage.input
            + self.output * usage.output
            + self.cache_read * usage.cache_read
            + self.cache_write * usage.cache_write
        ) / _MILLION

    def worst(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the most that so many tokens can cost, in dollars."""
        dearest = max(self.input, self.cache_read, self.cache_write)
        return (dearest * input_tokens + self.output * output_tokens) / _MILLION


FREE = Price(Decimal(0), Decimal(0), Decimal(0), Decimal(0), source="runs on a machine of your own")


@dataclass(frozen=True, slots=True)
class Model:
    """A model by its provider's name. `cutoff` is the last day that its training data may cover."""

    name: str
    provider: str
    price: Price | None = None
    cutoff: date | None = None
    cutoff_source: str = ""

    @property
    def clean_from(self) -> datetime:
        """The time (aware, UTC) from which events cannot have been in the training data.

        The cutoff plus 90 days; `NEVER_CLEAN` where no cutoff is known.
        """
        if self.cutoff is None or self.cutoff >= (NEVER_CLEAN - MARGIN).date():
            return NEVER_CLEAN
        return datetime.combine(self.cutoff, time(), UTC) + MARGIN


def load_models(extra: Mapping[str, Any] | None = None) -> dict[str, Model]:
    """Return every model by name: those of `models.toml`, then `extra` (a table of robo.toml)."""
    if extra is not None and not isinstance(extra, Mapping):
        raise ConfigError(f"models is {extra!r}", hint="write tables [intelligence.models.NAME]")
    path = Path(__file__).with_name("models.toml")
    tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {name: _model(name, table) for name, table in tables.items()}
    for name, table in (extra or {}).items():
        if not isinstance(table, Mapping):
            raise ConfigError(
                f"[intelligence.models] {name} must be a table, not {table!r}",
                hint=f'write [intelligence.models."{name}"]',
            )
        found[name] = _model(name, {**_kept(tables.get(name, {}), table), **table})
    return found


def _kept(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of our own table of a model where the user's says the rest.

    A figure of the user's does not stand under our source, nor our price of the cache beside another
    price of input.
    """
    gone: set[str] = set()
    if not theirs.keys().isdisjoint(_PRICES):
        gone |= {"effective", "source"}
    if "input" in theirs:
        gone |= {"cache_read", "cache_write"}
    if "cutoff" in theirs:
        gone.add("cutoff_source")
    return {key: value for key, value in ours.items() if key not in gone}


def find_model(name: str, models: Mapping[str, Model], provider: str | None = None) -> Model:
    """Return the model `name`; a model of a local server needs no entry.

    An unknown one is a `ConfigError` that says how to add it.
    """
    model = models.get(name)
    if model is None and provider == "local":
        return Model(name, "local", FREE)
    if model is None:
        near = did_you_mean(name, models)
        add = f'add [intelligence.models."{name}"] to robo.toml with provider, input and output (dollars per '
        raise ConfigError(
            f"the model {name!r} is not known",
            hint=(f"{near} or " if near else "") + add + "million tokens), cutoff and source",
        )
    if provider is not None and provider != model.provider:
        raise ConfigError(
            f"the model {name!r} is {model.provider}'s, not {provider}'s",
            hint=f'write provider = "{model.provider}"',
        )
    return model


def priced(model: Model) -> Price:
    """Return the price of `model`, or raise the `ConfigError` that says how to add one."""
    if model.price is None:
        raise ConfigError(
            f"no price is known for the model {model.name!r}, so no budget can be kept",
            hint=f'add input and output (dollars per million tokens) to [intelligence.models."{model.name}"]',
        )
    return model.price


def _model(name: str, table: Mapping[str, Any]) -> Model:
    where = f'[intelligence.models."{name}"]'
    for key in table:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or "it may say " + ", ".join(_KEYS)
            raise ConfigError(f"{where} {key} is not known", hint=hint)
    provider = table.get("provider")
    if provider not in PROVIDERS:
        raise ConfigError(f"{where} provider is {provider!r}", hint=f"write one of {', '.join(PROVIDERS)}")
    return Model(
        name,
        provider,
        _price(where, provider, table),
        _day(where, "cutoff", table),
        _text(where, "cutoff_source", table),
    )


def _price(where: str, provider: str, table: Mapping[str, Any]) -> Price | None:
    given = {key: _dollars(where, key, table[key]) for key in _PRICES if key in table}
    if not given:
        return FREE if provider == "local" else None
    if not {"input", "output"} <= given.keys():
        raise ConfigError(f"{where} has only {', '.join(given)}", hint="a price needs both input and output")
    return Price(
        given["input"],
        given["output"],
        given.get("cache_read", given["input"]),
        given.get("cache_write", given["input"]),
        _day(where, "effective", table),
        _text(where, "source", table),
    )


def _dollars(where: str, key: str, value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not 0 <= number <= _MILLION:
        raise ConfigError(
            f"{where} {key} is {value!r}", hint="write dollars for a million tokens, such as 0.10"
        )
    return number


def _text(where: str, key: str, table: Mapping[str, Any]) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ConfigError(f"{where} {key} is {value!r}", hint="write where and when the figure was read")
    return value


def _day(where: str, key: str, table: Mapping[str, Any]) -> date | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            value = repr(value)
    if isinstance(value, date):
        return value
    raise ConfigError(f"{where} {key} is {value}", hint="write a date such as 2026-05-18")
