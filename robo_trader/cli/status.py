"""`robo status`: the halt state, who is running, and each limit with its use and headroom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.risk.usage import Published

app = single()


@app.command(cls=RoboCommand)
@example("robo status", "robo status --json")
def status(config_file: ConfigFile = None, as_json: Json = False) -> None:
    """Show the halt state, and each limit with its use and headroom.

    Use and headroom are what the last session published; without one only the limits are known.
    """
    from robo_trader.cli import halts
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError
    from robo_trader.risk.halt import HaltStore
    from robo_trader.risk.usage import published

    config = load_config(config_file)
    store = halts.open_store(config)
    halt = HaltStore(store).read()
    problems = []
    running: list[dict[str, Any]] = []
    used: Published | None = None
    try:
        running, used = halts.sessions(store), published(store)
    except RoboError as error:
        problems.append(str(error))
    limits, problem = _limits(config)
    problems += [problem] if problem else []
    rows = _rows(limits, used)
    if as_json:
        out.print_json(
            {
                "halt": halt.as_dict(),
                "sessions": running,
                "profile": config.get("risk.profile"),
                "used_at": used.at if used else None,
                "limits": rows,
                "problems": problems,
            }
        )
        return
    out.lines(out.strong(out.harmless(halt.text())))
    for row in running:
        out.lines(f"session {out.harmless(row['name'])}: last sign of life {row['seconds']:g} s ago")
    out.write("")
    columns = [out.Column("limit"), out.Column("of", fold=True)]
    columns += [out.Column(name, right=True) for name in ("limit", "used", "headroom")]
    out.table(columns, [[row["rule"], row["scope"], *_shown(row)] for row in rows])
    if config.get("risk.profile") == "off":
        out.note("the risk profile is off: nothing is limited", label="warning")
    elif used is None:
        out.note("no session has published what it uses; these are the limits alone", label="note")
    else:
        out.note(f"used as published at {used.at.isoformat().replace('+00:00', 'Z')}", label="note")
    for text in problems:
        out.note(text, label="warning")


def _limits(config: Config) -> tuple[dict[str, str], str]:
    """Return each rule's limit as text, and what kept the profile from being read."""
    from robo_trader.errors import RoboError
    from robo_trader.plugins import load_host
    from robo_trader.risk.profile import load_guard

    try:
        guard = load_guard(config, load_host(config, third_party=False))
    except RoboError as error:
        return {}, f"the risk profile cannot be read without plugins: {error}"
    return (guard.labels() if guard is not None else {}), ""


def _rows(limits: dict[str, str], used: Published | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for rule, usage in used.rows if used else ():
        rows.append(
            {"rule": rule, "scope": usage.scope, "limit": usage.limit, "used": usage.used,
             "headroom": usage.headroom, "label": limits.get(rule, "")}
        )  # fmt: skip
    told = {row["rule"] for row in rows}
    for rule, label in limits.items():
        if rule not in told:
            rows.append(
                {"rule": rule, "scope": "", "limit": None, "used": None, "headroom": None, "label": label}
            )
    return rows


def _shown(row: dict[str, Any]) -> list[str]:
    """Return limit, use and headroom as text, in the limit's own unit."""
    from robo_trader.risk.limits import percent

    if row["used"] is None:
        return [row["label"] or "–", "–", "–"]
    figures = [row["limit"], row["used"], row["headroom"]]
    if row["rule"] in ("correlation", "orders_per_minute"):
        return [f"{figure:.4g}" for figure in figures]
    return [percent(figure) for figure in figures]
