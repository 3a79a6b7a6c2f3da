"""`robo llm`: the models that are known, what was spent on them or will be, and what they said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from robo_trader.intelligence.llm import LLMAnalyst
    from robo_trader.intelligence.replies import ReplyStore

app = group()


@app.callback()
@example("robo llm models", "robo llm cost events.jsonl", "robo llm replies")
def llm() -> None:
    """Show the language models, what they cost and what they said; nothing here asks one."""


@app.command(cls=RoboCommand)
@example("robo llm models", "robo llm models --json")
def models(config_file: ConfigFile = None, as_json: Json = False) -> None:
    """List the models with price, knowledge cutoff and source.

    Prices are dollars for a million tokens. Results are clean from 90 days after the cutoff on. Add a
    model under [intelligence.models."NAME"] of robo.toml.
    """
    import os

    from robo_trader.config import load_config
    from robo_trader.intelligence.adapters import ADAPTERS
    from robo_trader.intelligence.models import NEVER_CLEAN, load_models

    known = load_models(load_config(config_file).plugin_table("intelligence", "models", resolve=True))
    rows = []
    for model in known.values():
        price, variable = model.price, ADAPTERS[model.provider].variable
        clean = model.clean_from
        rows.append(
            {
                "name": model.name,
                "provider": model.provider,
                "input": price and str(price.input),
                "output": price and str(price.output),
                "cache_read": price and str(price.cache_read),
                "cache_write": price and str(price.cache_write),
                "effective": price and price.effective,
                "source": price.source if price else "",
                "cutoff": model.cutoff,
                "cutoff_source": model.cutoff_source,
                "clean_from": None if clean == NEVER_CLEAN else clean.date(),
                "key": variable,
                "key_set": bool(os.environ.get(variable)) if variable else None,
            }
        )
    if as_json:
        out.print_json(rows)
        return
    columns = [
        out.Column("model", fold=True), out.Column("provider"), out.Column("$ in", right=True),
        out.Column("$ out", right=True), out.Column("since"), out.Column("cutoff"),
        out.Column("clean from"), out.Column("key", fold=True),
    ]  # fmt: skip
    out.table(
        columns,
        [
            [
                _or(row["name"]), _or(row["provider"]),
                _or(row["input"], "unknown"), _or(row["output"], "unknown"),
                _or(row["effective"]), _or(row["cutoff"], "unknown"), _or(row["clean_from"], "never"),
                f"{row['key']} {'set' if row['key_set'] else 'not set'}" if row["key"] else "none needed",
            ]
            for row in rows
        ],
        gap=1,
    )  # fmt: skip
    for row in rows:
        if row["input"] is None:
            out.note(
                f"no price is known for {row['name']}: add input and output to its table", label="warning"
            )
    out.note("where each figure was read: robo llm models --json")


@app.command(cls=RoboCommand)
@example("robo llm cost", "robo llm cost events.jsonl")
def cost(
    events: Annotated[
        Path | None,
        typer.Argument(metavar="EVENTS", help="An events file: say what reading it would cost."),
    ] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what was spent on models day by day, or what reading EVENTS would cost.

    Nothing is asked. Days are UTC; what is set aside by open calls, or was by a process that died, counts
    towards the day's cap.
    """
    if events is not None:
        _estimate(events, config_file, as_json)
        return
    from robo_trader.intelligence.ledger import Ledger
    from robo_trader.state import open_state

    options = _options(config_file)
    days = Ledger(open_state(_state(options.get("state")))).days()
    cap = options.get("budget_day", 5.0)
    if as_json:
        out.print_json(
            [
                {
                    "date": day.date,
                    "settled": str(day.settled),
                    "set_aside": str(day.reserved),
                    "models": [
                        {"model": m.model, "calls": m.calls, "input": m.input, "output": m.output,
                         "cost": str(m.cost)}
                        for m in day.models
                    ],
                }
                for day in days
            ]
        )  # fmt: skip
        return
    columns = [out.Column("day"), out.Column("model", fold=True)]
    columns += [out.Column(name, right=True) for name in ("calls", "tokens in", "tokens out", "$")]
    rows = []
    for day in days:
        for m in day.models:
            rows.append([day.date, m.model, f"{m.calls:,}", f"{m.input:,}", f"{m.output:,}", f"{m.cost:.4f}"])
        if day.reserved:
            rows.append([day.date, "set aside", "", "", "", f"{day.reserved:.4f}"])
    out.table(columns, rows)
    out.note(f"the cap is ${cap} a day: budget_day under [intelligence.llm]" if days else "nothing spent yet")


@app.command(cls=RoboCommand)
@example("robo llm replies", "robo llm replies recorded.jsonl --repair")
def replies(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A reply store (default: that of [intelligence.llm])."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Move damaged lines to FILE.damaged; the others stay.")
    ] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what a reply store holds, and which lines of it are damaged; exit code 1 if any are."""
    from robo_trader.errors import ModelError
    from robo_trader.intelligence.llm import REPLIES
    from robo_trader.intelligence.replies import ReplyStore

    path = file or Path(str(_options(config_file).get("replies", REPLIES)))
    if not path.exists():
        raise ModelError(f"there is no reply store {path}", hint="a run with --analyst llm records one")
    store = ReplyStore(path)
    if repair:
        count, aside = store.repair()
        out.note(f"{count} damaged lines moved to {aside}" if count else "nothing is damaged")
    _show(store, as_json)
    if store.check():
        raise typer.Exit(1)


def _show(store: ReplyStore, as_json: bool) -> None:
    found = Counter((r.model, r.prompt_id, r.prompt_hash, str(r.status)) for r in store)
    rows: list[dict[str, Any]] = [
        {"model": model, "prompt": prompt, "hash": digest, "status": status, "replies": count}
        for (model, prompt, digest, status), count in sorted(found.items())
    ]
    damaged = store.check()
    if as_json:
        lines = [{"line": number, "problem": why} for number, why in damaged]
        out.print_json({"file": str(store.path), "replies": rows, "damaged": lines})
        return
    columns = [out.Column("model", fold=True), out.Column("prompt"), out.Column("hash"), out.Column("status")]
    out.table(
        [*columns, out.Column("replies", right=True)],
        [[r["model"], r["prompt"], r["hash"], r["status"], f"{r['replies']:,}"] for r in rows],
    )
    for number, why in damaged:
        out.note(f"{store.path} line {number}: {why}", label="warning")
    if damaged:
        out.note(f"the other {len(store):,} replies can be used; 'robo llm replies {store.path} --repair'")


def _estimate(path: Path, config_file: str | None, as_json: bool) -> None:
    from robo_trader.config import load_config
    from robo_trader.events.files import read_events
    from robo_trader.intelligence.estimate import asking_nobody, estimate
    from robo_trader.plugins import load_host

    host = load_host(load_config(config_file), third_party=False)
    with asking_nobody():
        analyst: LLMAnalyst = host.create("analyst", "llm")
    told = estimate(read_events(path).events, analyst)
    if not as_json:
        out.lines(str(told))
        return
    out.print_json(
        {
            "model": told.model, "events": told.events, "recorded": told.recorded, "calls": told.calls,
            "input_tokens": told.input_tokens, "output_tokens": told.output_tokens,
            "cost": str(told.cost), "learnt": told.learnt,
        }
    )  # fmt: skip


def _options(config_file: str | None) -> dict[str, Any]:
    """Return [intelligence.llm] as written: no key is needed here."""
    from robo_trader.config import load_config

    return load_config(config_file).plugin_table("intelligence", "llm")


def _state(written: Any) -> Any:
    """Return the address of the state store, from the environment where robo.toml says so."""
    import os

    from robo_trader.errors import ConfigError

    if not isinstance(written, str) or not written.startswith("env:"):
        return written
    variable = written.removeprefix("env:")
    if not os.environ.get(variable):
        raise ConfigError(f"[intelligence.llm] state names {variable}, which is not set", hint="export it")
    return os.environ[variable]


def _or(value: Any, other: str = "") -> str:
    return other if value is None else str(value)
