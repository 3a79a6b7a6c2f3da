"""The LLM analyst: a language model reads events and answers with bounded views.

What comes back is untrusted: it is judged against the schema, its quotations against the text, and a
label that was not given is refused. Whatever fails (deadline, refusal, budget, nonsense) becomes an
`Abstain` with its status. Errors are raised for what a person has to mend: while it is made, a missing
key, an unknown model, a price or package that is not there (`ConfigError`); while it reads, a reply
store that cannot be used and, in a replay, a reply that is not in it (`ModelError`).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from robo_trader.config_values import parse_duration
from robo_trader.errors import ConfigError, did_you_mean
from robo_trader.intelligence.adapters import ADAPTERS, Adapter, is_loopback
from robo_trader.intelligence.analyst import Analyst
from robo_trader.intelligence.answer import Judgements
from robo_trader.intelligence.budget import Budget
from robo_trader.intelligence.estimate import Estimate, estimate_llm, is_asking_nobody
from robo_trader.intelligence.gateway import MODES, Gateway, Route
from robo_trader.intelligence.labels import Labels, labels_of
from robo_trader.intelligence.ledger import Ledger
from robo_trader.intelligence.limits import Pace
from robo_trader.intelligence.models import DEFAULT_MODELS, PROVIDERS, Model, find_model, load_models, priced
from robo_trader.intelligence.prompts import KINDS, load_prompt
from robo_trader.intelligence.questions import complete, question
from robo_trader.intelligence.replies import ReplyStore
from robo_trader.intelligence.reply import Reply, Request
from robo_trader.masking import mask_url
from robo_trader.records import Abstain, Event, View
from robo_trader.state import open_state

#: Where replies are kept unless told otherwise.
REPLIES = ".robo/replies.jsonl"
#: How much a provider's models may think before they answer; local servers are not told.
EFFORTS = {
    "anthropic": ("low", "medium", "high", "xhigh", "max"),
    "openai": ("none", "low", "medium", "high", "xhigh", "max"),
}


class LLMAnalyst(Analyst):
    """Asks a model about each event; `[intelligence.llm]` of robo.toml holds these options.

    `provider` is "anthropic", "openai" or "local" (any server that speaks OpenAI's chat completions,
    at `base_url`); `model` is that provider's name of it, `fallback` lists models of the same provider
    to try next. `mode` is "record", "replay" or "live" and `replies` the reply store's file.
    `budget_run` and `budget_day` are caps in dollars; `deadline` is for one event, over all attempts.
    `state` names the store that keeps the day's spending (default: files in `.robo`).
    """

    kinds: Collection[str] = frozenset(KINDS)
    #: A replay and an estimate ask nobody, so that the variable of the key need not be set.
    may_be_unset = frozenset({"api_key"})

    def __init__(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        mode: str = "record",
        replies: str = REPLIES,
        budget_run: float | str = 1.0,
        budget_day: float | str = 5.0,
        deadline: float | str = "20s",
        patience: float | str | None = None,
        effort: str | None = "low",
        fallback: Sequence[str] = (),
        attempts: int = 4,
        concurrency: int = 8,
        per_minute: float = 0.0,
        max_tokens: int = 2000,
        draw: int = 0,
        prompts: str | None = None,
        kinds: Collection[str] = KINDS,
        state: str | None = None,
        models: Mapping[str, Any] | None = None,
    ) -> None:
        known = load_models(models)
        chosen = [_chosen(known, provider, model)]
        chosen += [find_model(name, known, chosen[0].provider) for name in _names("fallback", fallback)]
        self.models = tuple(chosen)
        self.mode = _one_of("mode", mode, MODES)
        self.kinds = frozenset(_one_of("kinds", kind, KINDS) for kind in _names("kinds", kinds))
        self.clean_from = max(m.clean_from for m in chosen)
        self.draw = _whole("draw", draw, 0)
        self._max_tokens = _whole("max_tokens", max_tokens, 100)
        self._read: set[str] = set()
        self._prompts = {kind: load_prompt(kind, _folder(prompts)) for kind in sorted(self.kinds)}
        # A replay and an estimate ask nobody, so they need neither key nor account.
        asks = self.mode != "replay" and not is_asking_nobody()
        adapter = _adapter(chosen[0], base_url, api_key, _effort(chosen[0], effort), asks)
        day, ledger = _dollars("budget_day", budget_day), None
        if asks:
            for one in chosen:
                priced(one)
            ledger = Ledger(open_state(state), day)
        self.store = ReplyStore(_path("replies", replies))
        self.budget = Budget(_dollars("budget_run", budget_run), ledger)
        pace = Pace(_at_least("per_minute", per_minute, 0))
        self.gateway = Gateway(
            [Route(one, adapter, pace=pace) for one in chosen],
            mode=self.mode,
            store=self.store,
            budget=self.budget,
            deadline=_deadline(deadline),
            patience=None if patience is None else parse_duration(patience, "patience").total_seconds(),
            attempts=_whole("attempts", attempts, 1),
            concurrency=_whole("concurrency", concurrency, 1),
        )

    def read(
        self, event: Event, *args: Any, **kwargs: Any
    ) -> list[View] | Abstain | Awaitable[list[View] | Abstain]:
        """Return the views of `event` at once where a reply is recorded, else what awaits one."""
        if event.kind not in self._prompts:
            return Abstain(f"it reads no {event.kind}")
        self._read.add(event.kind)
        request, labels = self.request(event)
        found = self.gateway.recall(request, event.title)
        if found is not None:
            return _views(found, request, labels)
        return self._ask(event, request, labels)

    def request(self, event: Event) -> tuple[Request, Labels]:
        """Return what would be asked about `event`, as the reply store knows it, and its labels."""
        prompt = self._prompts[event.kind]
        labels = labels_of(event.kind, event.symbols)
        return question(event, prompt, labels, max_tokens=self._max_tokens, draw=self.draw), labels

    def describe(self) -> Mapping[str, Any]:
        """Return what a run records: model, mode, the prompts used with their hashes, and the store."""
        return {
            "model": self.gateway.routes[0].name,
            "fallback": [route.name for route in self.gateway.routes[1:]],
            "mode": self.mode,
            "prompts": {
                kind: f"v{prompt.version} {prompt.hash}"
                for kind, prompt in self._prompts.items()
                if kind in self._read
            },
            "replies": str(self.store.path),
            "cutoff": str(self.models[0].cutoff or "unknown"),
            "spent": str(self.budget.settled),
        }

    def estimate(self, events: Sequence[Event]) -> Estimate:
        """Return what reading `events` would cost; nothing is asked."""
        return estimate_llm(events, self)

    async def close(self) -> None:
        """Close the connections of this event loop; it closes them itself when it ends."""
        await self.gateway.close()

    async def _ask(self, event: Event, request: Request, labels: Labels) -> list[View] | Abstain:
        request = complete(request, event, labels)
        return _views(await self.gateway.ask(request), request, labels)


def _views(reply: Reply, request: Request, labels: Labels) -> list[View] | Abstain:
    """Return the views of a reply, or why there are none."""
    if not reply.ok:
        return Abstain(f"{reply.status}: {reply.detail}" if reply.detail else str(reply.status))
    assert isinstance(reply.answer, Judgements)
    if not reply.answer:
        return Abstain("the model sees no effect")
    views = []
    for found in reply.answer:
        because = labels.unmasked(found.rationale)
        if found.evidence:
            because += " " + " ".join(f"“{labels.unmasked(quote)}”" for quote in found.evidence)
        views.append(
            View(
                symbol=labels.symbols[found.label],
                score=found.score,
                confidence=found.confidence,
                horizon=found.horizon,
                because=because.strip(),
                model=reply.model,
                prompt_hash=request.prompt_hash,
            )
        )
    return views


# -- options -----------------------------------------------------------------------------------------


def _chosen(known: Mapping[str, Model], provider: str | None, name: str | None) -> Model:
    if provider is not None:
        _one_of("provider", provider, PROVIDERS)
    if name is None:
        name = DEFAULT_MODELS.get(provider or "anthropic")
    if not isinstance(name, str) or not name:
        raise ConfigError(
            "[intelligence.llm] names no model", hint="say which one the local server holds: model = …"
        )
    return find_model(name, known, provider)


def _adapter(model: Model, base_url: str | None, key: str | None, effort: str | None, asks: bool) -> Adapter:
    """Return the way to the model's provider, after checking all that it needs if it `asks`."""
    kind = ADAPTERS[model.provider]
    if model.provider == "local" and base_url is None and asks:
        raise ConfigError(
            f"no address is given for the local model {model.name!r}",
            hint='write base_url = "http://127.0.0.1:11434/v1" under [intelligence.llm]',
        )
    if base_url is not None and not _is_address(base_url):
        raise ConfigError(
            f"[intelligence.llm] base_url is {_shown(base_url)!r}",
            hint="write one such as http://127.0.0.1:11434/v1",
        )
    if base_url is None and asks:
        _no_other_address(model.provider, kind)
    key = _key("api_key of [intelligence.llm]", key)
    if key and key.startswith("env:"):
        variable = key.removeprefix("env:")
        if asks and not os.environ.get(variable):
            raise ConfigError(
                f"[intelligence.llm] api_key asks for the environment variable {variable}, which is not set",
                hint=f"export {variable}=… and run again",
            )
        key = _key(variable, os.environ.get(variable))
    if not key and kind.variable and asks:
        if base_url is not None:
            # The key of the provider must not reach whoever else serves its protocol.
            raise ConfigError(
                f"no key is given for {_shown(base_url)}",
                hint=f'write api_key = "env:NAME"; {kind.variable} is sent to {model.provider} alone',
            )
        key = _key(kind.variable, os.environ.get(kind.variable))
        if not key:
            raise ConfigError(
                f"the model {model.name!r} needs a key of {model.provider}, and {kind.variable} is not set",
                hint=f"export {kind.variable}=…, or choose the analyst 'offline', which needs none",
            )
    if base_url is not None and key and not base_url.startswith("https://") and not is_loopback(base_url):
        raise ConfigError(
            f"the key would be sent to {_shown(base_url)} unencrypted",
            hint="use https://, or a server without key",
        )
    adapter = kind(key=key or "", base_url=base_url, effort=effort)
    if asks:
        adapter.require()
    return adapter


def _key(where: str, value: Any) -> str | None:
    """Return a key without the line's end that reading it from a file may have left; it is never shown."""
    if value is None:
        return None
    key = value.strip() if isinstance(value, str) else ""
    if (value and not isinstance(value, str)) or not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{where} is no key: it holds what no key may hold (a line's end, an accent, …)",
            hint="copy it once more from the provider's page",
        )
    return key


def _no_other_address(provider: str, kind: type[Adapter]) -> None:
    """Refuse what the SDKs would obey: an address in the environment, which then got the provider's key."""
    variable = f"{provider.upper()}_BASE_URL"
    other = os.environ.get(variable, "").rstrip("/")
    if other and other != kind.home:
        raise ConfigError(
            f"{variable} is {_shown(other)}, and the environment does not decide who gets the key",
            hint=f"unset {variable}, or write base_url and api_key under [intelligence.llm]",
        )


def _shown(url: Any) -> str:
    """Return an address without the password in it."""
    return mask_url(str(url))


def _is_address(url: Any) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _effort(model: Model, value: str | None) -> str | None:
    known = EFFORTS.get(model.provider)
    if known is None or value in (None, "", "default"):
        return None
    return str(_one_of("effort", value, known))


def _one_of(option: str, value: Any, known: Collection[str]) -> Any:
    if value not in known:
        near = did_you_mean(str(value), known)
        raise ConfigError(
            f"[intelligence.llm] {option} is {value!r}", hint=near or "one of " + ", ".join(known)
        )
    return value


def _at_least(option: str, value: Any, least: int) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < float("inf"):
        raise ConfigError(
            f"[intelligence.llm] {option} is {value!r}", hint=f"write a number of at least {least}"
        )
    return value


def _whole(option: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"[intelligence.llm] {option} is {value!r}", hint=f"write a whole number of at least {least}"
        )
    return value


def _deadline(value: Any) -> float:
    seconds = parse_duration(value, "deadline").total_seconds()
    if not seconds:
        raise ConfigError(f"[intelligence.llm] deadline is {value!r}", hint="write a time, such as 20s")
    return seconds


def _names(option: str, value: Any) -> Collection[str]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise ConfigError(f"[intelligence.llm] {option} is {value!r}", hint='write a list, such as ["…"]')
    return value


def _path(option: str, value: Any) -> str | Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ConfigError(f"[intelligence.llm] {option} is {value!r}", hint="write a path")
    return value


def _folder(value: Any) -> str | Path | None:
    """Return the folder of prompts; one that is not there would leave the built-in ones in use."""
    if value is None:
        return None
    path = _path("prompts", value)
    if not Path(path).is_dir():
        raise ConfigError(
            f"there is no folder {path} for prompts", hint="check [intelligence.llm] prompts, or leave it out"
        )
    return path


def _dollars(option: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ConfigError(f"[intelligence.llm] {option} is {value!r}", hint="write dollars, such as 2.50")
    return amount
