"""Sessions with their heartbeats, commissions, reconciliations and overrides."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REFUSE = "the journal is append-only: a correction is a new row"
#: Each table: its columns as "name kind" (``?``: may be empty), its key, and what it refers to.
_TABLES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    (
        "sessions",
        "run int, number int, at time, account text, place text, simulated bool, library text, "
        "server_version int, code_hash text, risk_hash text, send bool, contracts json, skew float",
        "run number",
        {},
    ),
    (
        "session_ends",
        "run int, number int, session int, at time, state text, note text",
        "run number",
        {"session": "sessions"},
    ),
    (
        "heartbeats",
        "run int, number int, session int, at time, market_time time?, line bool",
        "run session number",
        {"session": "sessions"},
    ),
    (
        "commissions",
        "run int, number int, execution text, at time, amount exact, currency text",
        "run number",
        {},
    ),
    (
        "reconciliations",
        "run int, number int, session int?, at time, differences json, accepted bool, who text, why text",
        "run number",
        {"session": "sessions"},
    ),
    (
        "overrides",
        "run int, number int, at time, who text, reason text, conditions json",
        "run number",
        {},
    ),
)


def upgrade() -> None:
    """Make the tables, and the triggers that refuse changes."""
    postgres = op.get_bind().dialect.name == "postgresql"
    types: dict[str, Any] = {
        "int": sa.BigInteger(),
        "text": sa.Text(),
        "float": sa.Double(),
        "bool": sa.Boolean(),
        "time": sa.TIMESTAMP(timezone=True) if postgres else sa.Text(),
        "exact": postgresql.NUMERIC() if postgres else sa.Text(),
        "json": postgresql.JSONB() if postgres else sa.Text(),
    }
    action = (
        "FOR EACH ROW EXECUTE FUNCTION robo_append_only()"
        if postgres
        else f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    )
    for name, columns, key, refers in _TABLES:
        parts: list[Any] = []
        for column in columns.split(", "):
            column_name, kind = column.split(" ")
            type_ = types[kind.rstrip("?")]
            parts.append(sa.Column(column_name, type_, nullable=kind.endswith("?"), autoincrement=False))
        parts.append(sa.PrimaryKeyConstraint(*key.split(" "), name=f"{name}_key"))
        parts.append(sa.ForeignKeyConstraint(["run"], ["runs.number"], name=f"{name}_run"))
        for column_name, other in refers.items():
            local, remote = ["run", column_name], [f"{other}.run", f"{other}.number"]
            parts.append(sa.ForeignKeyConstraint(local, remote, name=f"{name}_{column_name}"))
        op.create_table(name, *parts, sqlite_with_rowid=False)
        op.execute(f"CREATE TRIGGER {name}_append_only BEFORE UPDATE ON {name} {action}")
    op.create_index("commissions_by_execution_run", "commissions", ["execution", "run"])
