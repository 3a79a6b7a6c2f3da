"""What earlier sessions of a run have left: numbers, executions and positions to go on with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from robo_trader.journal.database import Database
from robo_trader.journal.schema import SA_TABLES
from robo_trader.journal.tables import TABLES


@dataclass(frozen=True, slots=True)
class Left:
    """Where a run's writer goes on.

    `following` is the next number of each table. `executions` has the number and the signed size of every
    fill by the broker's id, `positions` what the last ones left, `charged` what each execution cost.
    """

    following: dict[str, int]
    executions: dict[str, tuple[int, Decimal]]
    positions: dict[str, Decimal]
    charged: dict[str, tuple[Decimal, str]]


def left_by(database: Database, run: int) -> Left:
    """Return what the run number `run` has left; `JournalError` where the journal cannot be read."""
    following: dict[str, int] = {}
    executions: dict[str, tuple[int, Decimal]] = {}
    positions: dict[str, Decimal] = {}
    with database.reading() as connection:
        for table in TABLES:
            if "number" in table.names and "run" in table.names:
                columns = SA_TABLES[table.name].c
                last = connection.scalar(sa.select(sa.func.max(columns.number)).where(columns.run == run))
                following[table.name] = int(last or 0) + 1
        fills = SA_TABLES["fills"]
        rows = connection.execute(sa.select(fills).where(fills.c.run == run).order_by(fills.c.number))
        for row in rows.mappings():
            signed = row["size"] if row["side"] == "BUY" else -row["size"]
            if row["execution"] is not None:
                executions[row["execution"]] = (row["number"], signed)
            positions[row["symbol"]] = row["position"]
        costs = SA_TABLES["commissions"]
        found = sa.select(costs).where(costs.c.run == run).order_by(costs.c.number)
        charged = {
            row["execution"]: (row["amount"], row["currency"]) for row in connection.execute(found).mappings()
        }
    return Left(following, executions, positions, charged)
