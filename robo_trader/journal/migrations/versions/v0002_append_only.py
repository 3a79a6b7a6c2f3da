"""Let the database itself refuse to change a row."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REFUSE = "the journal is append-only: a correction is a new row"
_TABLES = (
    "runs", "run_ends", "events", "views", "signals", "signal_evidence", "decisions", "guard_answers",
    "orders", "order_states", "fills", "trades", "positions", "daily_equity", "halts",
)  # fmt: skip


def upgrade() -> None:
    """Add a trigger to each table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION robo_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSE}'; END $$"
        )
        action = "FOR EACH ROW EXECUTE FUNCTION robo_append_only()"
    else:
        action = f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    for table in _TABLES:
        op.execute(f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} {action}")
