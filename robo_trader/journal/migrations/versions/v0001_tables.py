"""The tables of the journal."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _types() -> dict[str, Any]:
    """The kinds of columns in this database."""
    if op.get_bind().dialect.name == "postgresql":
        time, json = sa.TIMESTAMP(timezone=True), postgresql.JSONB()
        return {**_PLAIN, "time": time, "exact": postgresql.NUMERIC(), "json": json}
    return {**_PLAIN, "time": sa.Text(), "exact": sa.Text(), "json": sa.Text()}


_PLAIN: dict[str, Any] = {
    "int": sa.BigInteger(),
    "text": sa.Text(),
    "date": sa.Date(),
    "float": sa.Double(),
    "bool": sa.Boolean(),
}

#: Each table: its columns as "name kind" (``?``: may be empty), its key, what its columns refer to,
#: its unique and its plain indexes. Frozen: later changes are revisions of their own.
_TABLES: tuple[tuple[str, str, str, dict[str, str], list[str], list[str]], ...] = (
    (
        "runs",
        "number int, id text, mode text, strategy text, command text, started time, starting_cash "
        "exact?, account text?, params json, config json, versions json",
        "number",
        {},
        ["id"],
        [],
    ),
    (
        "daily_equity",
        "run int, number int, session date, at time, value exact, cash exact, session_return float?",
        "run number",
        {},
        [],
        [],
    ),
    (
        "events",
        "run int, number int, event_id text, kind text, title text, symbols json, body text, url "
        "text, data json, published_at time, event_time time?, known_at time?, source text?, "
        "revision_of text?",
        "run number",
        {},
        ["run event_id"],
        [],
    ),
    (
        "halts",
        "halt_id text, run int?, at time, state text, who text, why text, rule text?",
        "halt_id",
        {},
        [],
        [],
    ),
    (
        "positions",
        "run int, number int, at time, session date?, symbol text, size exact, price exact?, origin text",
        "run number",
        {},
        [],
        [],
    ),
    (
        "run_ends",
        "run int, number int, at time, state text, note text",
        "run number",
        {},
        [],
        [],
    ),
    (
        "signals",
        "run int, number int, at time, symbol text, name text, value float, confidence float, "
        "expires_at time?",
        "run number",
        {},
        [],
        [],
    ),
    (
        "decisions",
        "run int, number int, at time, symbol text, side text, asked exact, decided exact, action "
        "text, signal int?, event int?, reasons json, repeats int",
        "run number",
        {"signal": "signals", "event": "events"},
        [],
        [],
    ),
    (
        "views",
        "run int, number int, event int?, at time?, analyst text, symbol text, score float, "
        "confidence float, horizon float, because text, in_sample bool?, model text?, prompt_hash "
        "text?",
        "run number",
        {"event": "events"},
        [],
        ["event run"],
    ),
    (
        "guard_answers",
        "run int, number int, decision int, rule text, action text, size exact?, limit_value "
        "float?, seen float?, reason text, numbers json",
        "run decision number",
        {"decision": "decisions"},
        [],
        [],
    ),
    (
        "orders",
        "run int, number int, ref text, decision int?, at time, symbol text, side text, type text, "
        "size exact, limit_price exact?, stop_price exact?, parent int?, oco int?, because text",
        "run number",
        {"decision": "decisions"},
        ["ref"],
        [],
    ),
    (
        "signal_evidence",
        "run int, number int, signal int, event int?, view int?",
        "run signal number",
        {"signal": "signals", "event": "events", "view": "views"},
        [],
        [],
    ),
    (
        "fills",
        "run int, number int, order_number int, execution text?, at time, symbol text, side text, "
        "size exact, price exact, commission exact, position exact, corrects int?",
        "run number",
        {"order_number": "orders", "corrects": "fills"},
        ["run execution"],
        ["order_number run", "symbol number run"],
    ),
    (
        "order_states",
        "run int, number int, order_number int, at time?, status text, filled exact, reason text",
        "run order_number number",
        {"order_number": "orders"},
        [],
        [],
    ),
    (
        "trades",
        "run int, number int, symbol text, side text, size exact, entry_time time, entry_price "
        "exact, exit_time time?, exit_price exact?, pnl exact?, commission exact, pnl_net exact?, "
        "bars int?, because text, first_fill int, last_fill int",
        "run number",
        {"first_fill": "fills", "last_fill": "fills"},
        [],
        ["run symbol first_fill"],
    ),
)
#: Columns that are mostly empty, indexed where they are not.
_SPARSE = (("orders", "parent"), ("orders", "oco"), ("fills", "corrects"))


def upgrade() -> None:
    """Make the tables."""
    types = _types()
    for name, columns, key, refers, unique, indexes in _TABLES:
        parts: list[Any] = []
        names = []
        for column in columns.split(", "):
            column_name, kind = column.split(" ")
            names.append(column_name)
            type_ = types[kind.rstrip("?")]
            parts.append(sa.Column(column_name, type_, nullable=kind.endswith("?"), autoincrement=False))
        parts.append(sa.PrimaryKeyConstraint(*key.split(" "), name=f"{name}_key"))
        if "run" in names:
            parts.append(sa.ForeignKeyConstraint(["run"], ["runs.number"], name=f"{name}_run"))
        for column_name, other in refers.items():
            local, remote = ["run", column_name], [f"{other}.run", f"{other}.number"]
            parts.append(sa.ForeignKeyConstraint(local, remote, name=f"{name}_{column_name}"))
        op.create_table(name, *parts, sqlite_with_rowid=False)
        for joined in unique:
            where = joined.split(" ")
            there = sa.text(f"{where[-1]} IS NOT NULL") if f"{where[-1]} text?" in columns else None
            op.create_index(
                f"{name}_unique_{'_'.join(where)}",
                name,
                where,
                unique=True,
                sqlite_where=there,
                postgresql_where=there,
            )
        for joined in indexes:
            where = joined.split(" ")
            op.create_index(f"{name}_by_{'_'.join(where)}", name, where)
    for name, column_name in _SPARSE:
        there = sa.text(f"{column_name} IS NOT NULL")
        op.create_index(
            f"{name}_by_{column_name}",
            name,
            [column_name, "run"],
            sqlite_where=there,
            postgresql_where=there,
        )
