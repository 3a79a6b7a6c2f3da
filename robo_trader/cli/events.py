"""`robo events`: what was known and when; fetch news, look at it, bring it in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader import clock
from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.options import OUTPUT, AssumeDelay, ConfigFile, Json, option
from robo_trader.errors import EventError, UsageError

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.events.store import EventStore
    from robo_trader.records import Event

app = group()

STORE = "Store"
AsOf = Annotated[
    str | None,
    option(STORE, "TIME", "--as-of", text="What was known then: 2024-09-18T14:00-04:00 (default: now)."),
]
Since = Annotated[
    str | None, option(STORE, "TIME|24h", "--since", text="Only what became known from then on.")
]
Symbols = Annotated[str | None, option(STORE, "A,B", "--symbols", text="Only events about these symbols.")]
Kinds = Annotated[
    str | None,
    option(STORE, "KIND,…", "--kind", text="Only these kinds: news, earnings, fomc, macro, filing."),
]


@app.callback()
@example("robo events fetch yahoo cnbc", "robo events list --symbols AAPL", "robo events fetch --follow")
def events() -> None:
    """Fetch news and other events, and see what was known when."""


@app.command("list", cls=RoboCommand)
@example(
    "robo events list", "robo events list --symbols AAPL --since 24h", "robo events list --stories --json"
)
def list_(
    as_of: AsOf = None,
    since: Since = None,
    symbols: Symbols = None,
    kinds: Kinds = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="The latest so many.", min=1)] = 20,
    stories: Annotated[
        bool, typer.Option("--stories", help="One line for a story, however many outlets carry it.")
    ] = False,
    revisions: Annotated[
        bool, typer.Option("--revisions", help="Also what had been replaced by a correction.")
    ] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List what the store knows, the latest last, with impact and sources."""
    from robo_trader.events.stories import group as by_story

    at = _time(as_of, "--as-of") or clock.now()
    with _store(config_file) as store:
        found = store.as_of(
            at, since=_since(since, at), symbols=_words(symbols), kinds=_words(kinds),
            limit=None if stories else limit, revisions=revisions,
        )  # fmt: skip
        place = store.place
    if stories:
        groups = [(story.first, story.sources) for story in by_story(found)][-limit:]
    else:
        groups = [(event, (event.source or "",)) for event in found]
    if as_json:
        out.print_json([{**_as_dict(event), "sources": list(sources)} for event, sources in groups])
        return
    columns = [
        out.Column("known at"), out.Column("id"), out.Column("kind"), out.Column("impact", right=True),
        out.Column("symbols", fold=True), out.Column("source", fold=True), out.Column("title", fold=True),
    ]  # fmt: skip
    if groups:
        out.table(columns, [_cells(event, sources) for event, sources in groups])
    else:
        out.note(f"{place} knows of no such event at {at:%Y-%m-%d %H:%M} UTC")


@app.command(cls=RoboCommand)
@example("robo events show 3f2a", "robo events show 3f2a --json")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show one event: its times, who told of it, its impact with its parts, and what hygiene found."""
    from robo_trader.events.impact import impact
    from robo_trader.events.stories import same_story

    with _store(config_file) as store:
        ids = store.find(id)
        if not ids:
            raise EventError(f"{store.place} has no event {id!r}", hint="see 'robo events list'")
        if len(ids) > 1 and id not in ids:
            raise EventError(
                f"{len(ids)} ids begin with {id!r}: {', '.join(ids[:5])}", hint="give more of it"
            )
        event = store.get(id if id in ids else ids[0])
        assert event is not None and event.known_at is not None
        told = store.sources(str(event.id))
        near = store.as_of(
            event.known_at + timedelta(hours=48), since=event.known_at - timedelta(hours=48), limit=5_000
        )
    copies = [other for other in near if other.id != event.id and same_story(event, other)]
    weight = impact(event)
    if as_json:
        out.print_json(
            {**_as_dict(event), "body": event.body, "data": dict(event.data),
             "sources": [{"source": name, "known_at": at} for name, at in told],
             "impact_parts": dict(weight.parts), "same_story": [other.id for other in copies]}
        )  # fmt: skip
        return
    out.lines(out.strong(out.harmless(event.title)))
    rows = [
        ("id", str(event.id)), ("kind", event.kind), ("symbols", ", ".join(event.symbols) or "none"),
        ("published", _stamp(event.published_at) + _how(event)), ("known", _stamp(event.known_at)),
        ("happens", _stamp(event.event_time) if event.event_time else ""), ("url", event.url),
        ("revises", event.revision_of or ""),
        ("told by", ", ".join(f"{name} ({_stamp(at)})" for name, at in told)),
        ("same story", ", ".join(f"{other.source} {str(other.id)[:8]}" for other in copies[:8])),
        ("impact", f"{weight.score:.2f} = " + ", ".join(f"{k} {v:+.2f}" for k, v in weight.parts.items())),
        ("hygiene", ", ".join(event.data.get("hygiene", ()))),
    ]  # fmt: skip
    for name, value in rows:
        if value:
            out.lines(f"  {name:<10}  {out.harmless(value)}")
    if event.body:
        out.lines("\n" + out.harmless(event.body))


@app.command("import", cls=RoboCommand)
@example("robo events import archive.jsonl")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An events file (JSON Lines).")],
    assume_delay: AssumeDelay = None,
    config_file: ConfigFile = None,
) -> None:
    """Add an events file to the store; events that it has already are kept once."""
    from robo_trader.config import load_config, parse_duration
    from robo_trader.events.files import read_events

    config = load_config(config_file)
    delay = (
        config.duration("events.assume_delay")
        if assume_delay is None
        else parse_duration(assume_delay, "--assume-delay")
    )
    tape = read_events(file, assume_delay=delay)
    with _store(config_file, make=True) as store:
        new = store.add(tape, seen_at=clock.now())
        out.write(f"{new:,} of {len(tape):,} events were new to {store.place}")
    for text in tape.notes:
        out.note(text, label="note")


@app.command(cls=RoboCommand)
@example(
    "robo events export news.jsonl", "robo events export may.jsonl --since 2024-05-01 --as-of 2024-06-01"
)
def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write (JSON Lines).")],
    as_of: AsOf = None,
    since: Since = None,
    config_file: ConfigFile = None,
) -> None:
    """Write what was known to an events file, revisions included; a backtest reads it with --events."""
    from robo_trader.events.files import write_events

    at = _time(as_of, "--as-of") or clock.now()
    with _store(config_file) as store:
        tape = store.tape(at, since=_since(since, at))
        if not len(tape):
            raise EventError(f"{store.place} knows of nothing to export", hint="see 'robo events list'")
    out.write(str(write_events(file, tape)))
    out.note(f"{len(tape):,} events, {tape.assumed:,} of them without a recorded arrival")


@app.command(cls=RoboCommand)
@example(
    "robo events fetch yahoo federalreserve",
    "robo events fetch cnbc --follow --json",
    "robo events fetch cnbc --follow --analyst offline --symbols AAPL,MSFT",
)
def fetch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Event sources by name (default: those of [events] sources)."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on polling until Ctrl-C.")] = False,
    symbols: Annotated[
        str | None,
        option(
            STORE, "A,B", "--symbols", text="Link to these symbols only (default: [run] symbols, else all)."
        ),
    ] = None,
    analyst: Annotated[
        str | None,
        option(STORE, "NAME", "--analyst", text="With --follow: analysts, by comma, read; print signals."),
    ] = None,
    config_file: ConfigFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each new event as one line of JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Ask event sources for what is new, store it with the time it was seen, and print it.

    What a source was asked last is kept in the state store: after a restart nothing is lost and
    nothing comes twice. A source that fails backs off and is reported; the others go on.
    """
    from robo_trader.cli.following import run

    if analyst is not None and not follow:
        raise UsageError("--analyst reads what comes while following", hint="add --follow")
    config, analysts = _config(config_file), _words(analyst) or []
    if not run(
        config, list(sources or ()), follow=follow, symbols=_words(symbols), as_json=as_json,
        analysts=analysts,
    ):  # fmt: skip
        raise typer.Exit(1)


def _config(config_file: str | None) -> Config:
    from robo_trader.config import load_config

    return load_config(config_file)


@contextmanager
def _store(config_file: str | None, *, make: bool = False) -> Iterator[EventStore]:
    """Give the store; unless it may be made, there has to be one."""
    with open_store(_config(config_file)) as store:
        if not make and "://" not in store.place and not Path(store.place).exists():
            raise EventError(f"there is no event store {store.place} yet", hint="robo events fetch yahoo")
        yield store


def open_store(config: Config) -> EventStore:
    """Return the event store that the configuration names."""
    from robo_trader.live.news.parts import open_store

    return open_store(config)


def _as_dict(event: Event) -> dict[str, Any]:
    from robo_trader.events.impact import impact

    return {
        "id": event.id, "kind": event.kind, "title": event.title, "published_at": event.published_at,
        "known_at": event.known_at, "event_time": event.event_time, "symbols": list(event.symbols),
        "source": event.source, "url": event.url, "revision_of": event.revision_of,
        "impact": impact(event).score,
    }  # fmt: skip


def _cells(event: Event, sources: tuple[str, ...]) -> tuple[str, ...]:
    from robo_trader.events.impact import impact

    return (
        _stamp(event.known_at), str(event.id)[:8], event.kind, f"{impact(event).score:.2f}",
        ", ".join(event.symbols), ", ".join(sources), event.title,
    )  # fmt: skip


def _how(event: Event) -> str:
    how = event.data.get("dated")
    return f" (the date is {how}{'; this is when it was seen' if how == 'missing' else ''})" if how else ""


def _stamp(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _time(text: str | None, flag: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text!r} is no time", hint="write 2024-09-18T14:00-04:00") from None
    if moment.tzinfo is None:
        if len(text) > 10:
            raise UsageError(f"{flag} {text!r} has no time zone", hint=f"write {text}Z or {text}-04:00")
        return moment.replace(tzinfo=clock.now().tzinfo)  # a day begins at midnight UTC
    return moment


def _since(text: str | None, at: datetime) -> datetime | None:
    """Return a time, or so long before `at` for a duration such as ``24h``."""
    if text is None or not text[-1:].isalpha() or text.endswith(("Z", "z")):
        return _time(text, "--since")
    from robo_trader.config import parse_duration

    return at - parse_duration(text, "--since")
