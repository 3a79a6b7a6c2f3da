"""What working orders were changed to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REFUSE = "the journal is append-only: a correction is a new row"


def upgrade() -> None:
    """Make the table, and the trigger that refuses changes of its rows."""
    postgres = op.get_bind().dialect.name == "postgresql"
    exact = postgresql.NUMERIC() if postgres else sa.Text()
    action = (
        "FOR EACH ROW EXECUTE FUNCTION robo_append_only()"
        if postgres
        else f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
    )
    op.create_table(
        "modifications",
        sa.Column("run", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("order_number", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.BigInteger()),
        sa.Column("answers", sa.BigInteger()),
        sa.Column("at", sa.TIMESTAMP(timezone=True) if postgres else sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size", exact),
        sa.Column("limit_price", exact),
        sa.Column("stop_price", exact),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "number", name="modifications_key"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="modifications_run"),
        *(
            sa.ForeignKeyConstraint(
                ["run", column], [f"{table}.run", f"{table}.number"], name=f"modifications_{column}"
            )
            for column, table in (
                ("order_number", "orders"), ("decision", "decisions"), ("answers", "modifications")
            )
        ),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.execute(f"CREATE TRIGGER modifications_append_only BEFORE UPDATE ON modifications {action}")
    op.create_index("modifications_by_order_number_run", "modifications", ["order_number", "run"])
