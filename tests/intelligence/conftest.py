"""What tests of the models share: events, a scripted server and analysts that ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from robo_trader.clock import monotonic
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.records import Abstain, Event, View
from robo_trader.testing import ModelServer

T = TypeVar("T")
VENDORS = ("anthropic", "openai", "local")
TEXT = "AAPL raises its guidance for the year"


def event(
    title: str = TEXT, *, kind: str = "news", symbols: tuple[str, ...] = ("AAPL",), **more: Any
) -> Event:
    """Return an event of 2026-12-01 that is complete but for what `more` says."""
    moment = datetime(2026, 12, 1, 14, tzinfo=UTC)
    return Event(kind=kind, title=title, symbols=symbols, published_at=moment, known_at=moment, **more)


def view(label: str = "S1", **changed: Any) -> dict[str, Any]:
    """Return a model's view of `label` as a dict."""
    one = {"label": label, "score": 0.6, "confidence": 0.8, "horizon": "3d", "rationale": "Guidance is up."}
    return {**one, "evidence": ["raises its guidance"], **changed}


def says(*views: dict[str, Any]) -> str:
    """Return the text of an answer with `views`."""
    return json.dumps({"views": list(views)})


def read(analyst: LLMAnalyst, *events: Event) -> list[list[View] | Abstain]:
    """Let `analyst` read `events` at once and return what it says of each."""

    async def one(item: Event) -> list[View] | Abstain:
        found = analyst.read(item)
        return found if isinstance(found, (list, Abstain)) else await found

    async def everything() -> list[list[View] | Abstain]:
        try:
            return await asyncio.gather(*map(one, events))
        finally:
            await analyst.close()

    return asyncio.run(everything())


async def timed(work: Awaitable[T], seconds: float) -> tuple[T, float]:
    """Return what `work` gives, and how much later it came than a bare wait of `seconds` ended.

    A machine that is busy with other things is late for both.
    """
    bare = asyncio.ensure_future(asyncio.sleep(seconds))
    ended: list[float] = []
    bare.add_done_callback(lambda _: ended.append(monotonic()))
    given = await work
    now = monotonic()
    await bare
    await asyncio.sleep(0)
    return given, now - ended[0]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the SDKs would take from the environment of whoever runs the tests."""
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


Make = Callable[..., LLMAnalyst]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a maker of analysts that ask a server (or an address) and keep everything in a folder."""

    def made(
        server: ModelServer | str | None = None, vendor: str = "anthropic", **options: Any
    ) -> LLMAnalyst:
        if isinstance(server, ModelServer):
            server = server.url if vendor == "anthropic" else server.openai_url
        if vendor == "local":
            options.setdefault("model", "small")
        kept = {"replies": str(tmp_path / "replies.jsonl"), "state": f"file:{tmp_path}"}
        return LLMAnalyst(provider=vendor, base_url=server, **{"api_key": "sk-test-key", **kept, **options})

    return made


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A server whose model always likes S1."""
    with ModelServer([says(view())]) as running:
        yield running
