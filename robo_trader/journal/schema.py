"""The journal's tables for SQLAlchemy, built from `tables`, and how values look in each database.

On PostgreSQL times are ``timestamptz``, decimals ``numeric`` without bounds, JSON ``jsonb``. On SQLite times
are ISO-8601 text with six digits and ``Z`` (so they sort), decimals are text (SQLite would make
doubles of them) and JSON is text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from robo_trader.clock import require_utc
from robo_trader.journal.tables import TABLES, Kind, Table


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC, exact to the microsecond."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        aware = require_utc(value, "a journal's time")
        return aware if dialect.name == "postgresql" else moment_text(aware)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)


class Exact(sa.types.TypeDecorator[Decimal]):
    """A decimal number, exact in both databases; a float is taken by its shortest text."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.NUMERIC(asdecimal=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
        if not exact.is_finite():
            raise ValueError(f"{value!r} is no amount")
        return exact if dialect.name == "postgresql" else str(exact)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Json(sa.types.TypeDecorator[Any]):
    """A JSON value; text with sorted keys on SQLite, so that equal values are equal text."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if dialect.name == "postgresql" or value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return json.loads(value) if isinstance(value, str) and dialect.name != "postgresql" else value


_TYPES: dict[Kind, Any] = {
    "int": sa.BigInteger, "text": sa.Text, "json": Json, "time": Moment, "date": sa.Date,
    "exact": Exact, "float": sa.Double, "bool": sa.Boolean,
}  # fmt: skip


def moment_text(value: datetime) -> str:
    """Return an aware UTC time as the journal's text: ``2024-09-18T18:00:00.000000Z``."""
    return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"


def json_text(value: Any) -> str:
    """Return a JSON value as the journal's text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _build(metadata: sa.MetaData, table: Table) -> sa.Table:
    parts: list[Any] = []
    for column in table.columns:
        type_ = _TYPES[column.kind]
        parts.append(sa.Column(column.name, type_(), nullable=column.optional, autoincrement=False))
    parts.append(sa.PrimaryKeyConstraint(*table.key, name=f"{table.name}_key"))
    if "run" in table.names:
        parts.append(sa.ForeignKeyConstraint(["run"], ["runs.number"], name=f"{table.name}_run"))
    for column_name, other in table.refers.items():
        parts.append(
            sa.ForeignKeyConstraint(
                ["run", column_name], [f"{other}.run", f"{other}.number"], name=f"{table.name}_{column_name}"
            )
        )
    optional = {column.name for column in table.columns if column.optional}
    for columns in table.unique:
        where = sa.text(f"{columns[-1]} IS NOT NULL") if columns[-1] in optional else None
        name = f"{table.name}_unique_{'_'.join(columns)}"
        parts.append(sa.Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where))
    for columns in table.indexes:
        parts.append(sa.Index(f"{table.name}_by_{'_'.join(columns)}", *columns))
    for name in table.sparse:
        there = sa.text(f"{name} IS NOT NULL")
        parts.append(
            sa.Index(f"{table.name}_by_{name}", name, "run", sqlite_where=there, postgresql_where=there)
        )
    # Rows come in the order of their key, which SQLite then keeps them in, without a second tree.
    return sa.Table(table.name, metadata, *parts, sqlite_with_rowid=False)


METADATA = sa.MetaData()
SA_TABLES: dict[str, sa.Table] = {table.name: _build(METADATA, table) for table in TABLES}

#: The last word on append-only: what is written is not changed. Deleting is what `prune` does.
_REFUSE = "the journal is append-only: a correction is a new row"


def append_only_statements(dialect: str) -> list[str]:
    """Return the statements that make the database itself refuse to change a row."""
    if dialect == "postgresql":
        return [
            "CREATE OR REPLACE FUNCTION robo_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSE}'; END $$",
            *(
                f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE ON {table.name}"
                " FOR EACH ROW EXECUTE FUNCTION robo_append_only()"
                for table in TABLES
            ),
        ]
    return [
        f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE ON {table.name}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
        for table in TABLES
    ]


def sqlite_statements() -> tuple[list[str], list[str]]:
    """Return the statements that make a new SQLite journal: before its rows, and after them."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = sqlite.dialect()
    before = [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    ]
    after = []
    for table in METADATA.sorted_tables:
        before.append(" ".join(str(CreateTable(table).compile(dialect=dialect)).split()))
        after += [
            " ".join(str(CreateIndex(index).compile(dialect=dialect)).split())
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    return before, [*after, *append_only_statements("sqlite")]


def sqlite_module() -> str:
    """Return the source of `sqlite_statements.py`, for the times when a table changes."""
    before, after = sqlite_statements()
    lines = ['"""The statements of a new SQLite journal. Generated from `tables`; a test says how."""', ""]
    lines += ["from __future__ import annotations", ""]
    for name, about, statements in (
        ("BEFORE", "Before the rows.", before),
        ("AFTER", "After the rows: indexes, and triggers that refuse changes.", after),
    ):
        lines += [f"#: {about}", f"{name} = ("]
        for statement in statements:
            words = statement.split(" ")
            parts, part = [], ""
            for word in words:
                if len(part) + len(word) > 90:
                    parts.append(part)
                    part = ""
                part += word + " "
            parts.append(part.rstrip())
            lines += [f"    {part!r}" for part in parts]
            lines[-1] += ","
        lines += [")", ""]
    return "\n".join(lines)
