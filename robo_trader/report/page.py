"""The page: templates filled with plain data, everything escaped, under a policy that allows nothing.

The content security policy forbids every request and every script but the two that are written
here, named by their hashes: text that got into the page by mistake cannot run even then.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from robo_trader import clock
from robo_trader.report.figures import Chart, library
from robo_trader.report.parts import Group, Skipped, gathered, listed, moment, number
from robo_trader.report.readers import readers_table, split_table
from robo_trader.report.source import Book, Reportable
from robo_trader.report.summary import (
    compared,
    findings,
    guard_words,
    headlines,
    judged,
    metrics_table,
    twin_table,
)
from robo_trader.report.trades import event_rows, short_source, trade_rows

_RULES = {
    "honest": "honest: no order is filled at a price printed before it existed",
    "stock": "stock: Backtrader's own matching, kept for comparison; it can fill at prices already past",
}
_NOTIFY = {
    "at_open": "fills at the open reach the strategy at the open",
    "with_bar": "fills at the open reach the strategy together with their bar",
}


def render(result: Reportable, book: Book, charts: dict[str, Chart | Skipped], sheet: list[Group]) -> str:
    """Return the page as HTML."""
    scripts = [_normal(library()), _normal(_asset("report.js"))]
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(f"'sha256-{_digest(text)}'" for text in scripts),
            # Bokeh styles its own elements as it goes.
            "style-src 'unsafe-inline'",
            "img-src data:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    template = _environment().get_template("report.html")
    page: str = template.render(
        policy=policy,
        style=_asset("report.css"),
        scripts=scripts,
        charts=charts,
        sheet=sheet,
        **_content(result, book),
    )
    return page


def _content(result: Reportable, book: Book) -> dict[str, Any]:
    info, record = result.info, result.record
    rows, trades_note = trade_rows(book.trades, info.id)
    events, events_note = event_rows(record.events_delivered)
    return {
        "info": info,
        "record": record,
        "run": _facts(result, book),
        "headlines": headlines(result.measures),
        "scores": judged(result.scorecard),
        "guard": guard_words(result),
        "findings": findings(result.measures, info.twin),
        "warnings": [_sentence(text) for text in result.warnings],
        "cheats": list(record.cheats),
        "compared": compared(result, book, info.baselines),
        "metrics": metrics_table(result.measures),
        "readers": readers_table(info.extra),
        "split": split_table(result),
        "trades": rows,
        "trades_note": trades_note,
        "events": events,
        "events_note": events_note,
        "twin": dict(info.twin),
        "twin_table": twin_table(info.twin),
        "sources": [_source(row) for row in info.data],
        "notes": [_sentence(text) for text in gathered(info.notes)],
        "settings": _settings(result),
    }


def _facts(result: Reportable, book: Book) -> dict[str, str]:
    dates = book.dates
    period = f"{dates[0]} to {dates[-1]}" if len(dates) else "no session"
    return {
        "period": period,
        "sessions": f"{len(dates):,} session{'s' if len(dates) != 1 else ''}",
        "symbols": listed(book.symbols, 8) or "no symbol",
        "started": moment(result.info.started) + " UTC",
        "cash": number(result.record.starting_cash, 0),
        "state": result.record.state,
    }


def _source(row: Any) -> dict[str, str]:
    source = str(row.get("source", ""))
    digest = str(row.get("sha256") or "")
    bars = row.get("bars")
    rows = row.get("rows")
    stamps = " ".join(str(row[k]) for k in ("stamps", "tz") if row.get(k))
    if row.get("adjusted"):
        stamps += ", adjusted prices"
    if row.get("assumed"):
        stamps = f"{row['assumed']} arrivals assumed"
    period = f"{row['first']} to {row['last']}" if row.get("first") and row.get("last") else ""
    return {
        "symbol": str(row.get("symbol", "") or "events"),
        "timeframe": str(row.get("timeframe", "")),
        "source": short_source(source),
        "full": source,
        "sha": digest[:12],
        "sha_full": digest,
        "rows": f"{rows:,}" if isinstance(rows, int) else "",
        "bars": f"{bars:,}" if isinstance(bars, int) else "",
        "period": period,
        "stamps": stamps.strip(),
    }


def _settings(result: Reportable) -> list[tuple[str, str]]:
    info, record = result.info, result.record
    run = info.config.get("run", {})
    out = [
        ("Run", info.id),
        ("Parameters", ", ".join(f"{k} = {v}" for k, v in info.params.items()) or "none"),
        ("Seed", str(info.seed)),
        ("Fill rules", _RULES.get(record.fill_rules, record.fill_rules)),
        ("Notification", _NOTIFY.get(record.notify, record.notify)),
        ("Engine", " ".join((record.path, *record.path_reasons))),
    ]
    costs = [f"{k} {run[k]}" for k in ("commission", "slippage") if isinstance(run, dict) and k in run]
    if costs:
        out.append(("Costs", ", ".join(costs) + " (fractions of value)"))
    out.append(("Bars processed", f"{record.bars_processed:,}"))
    out.append(("Versions", ", ".join(f"{k} {v}" for k, v in info.versions.items())))
    times = {**record.timings, **info.timings}
    out.append(("Seconds", ", ".join(f"{k} {v:.2f}" for k, v in times.items()) or "not measured"))
    out.append(("Written", moment(clock.now()) + " UTC"))
    return out


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "…")) else text + "."


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("robo_trader.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return resources.files("robo_trader.report").joinpath("templates", name).read_text(encoding="utf-8")


def _normal(script: str) -> str:
    """Browsers hash a script after turning its line ends into line feeds."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
