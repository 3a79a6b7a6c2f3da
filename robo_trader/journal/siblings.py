"""What the other runs of an account hold: strategies that share it explain each other's positions and orders.

Only runs that sent to the same kind of gateway count; rehearsals have an account of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from robo_trader.journal.reading import Reader
from robo_trader.journal.standing import reading

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal

_MODES = ("paper", "live")
#: A broker lists the executions of a few days; so many of a run are enough to know them again.
_RECENT = 5_000


@dataclass(frozen=True, slots=True)
class Siblings:
    """`heads` begin the order references of the other runs; `positions` are theirs by contract id, signed.

    `executions` are the ids of their latest executions that the journal knows.
    """

    heads: frozenset[str] = frozenset()
    positions: Mapping[int, Decimal] = field(default_factory=dict)
    executions: frozenset[str] = frozenset()


def siblings(journal: Journal | Reader, run_id: str) -> Siblings:
    """Return what the other runs in the account of the run `run_id` hold and call their orders."""
    with reading(journal) as reader:
        own = reader.run(run_id)
        if own is None or own["account"] is None:
            return Siblings()
        simulated = _simulated(reader, own["number"])
        heads, known, held = set(), set(), defaultdict[int, Decimal](Decimal)
        for run in list(reader.rows("runs", "account = :account", account=own["account"])):
            if run["number"] == own["number"] or run["mode"] not in _MODES:
                continue
            if _simulated(reader, run["number"]) != simulated:
                continue
            heads.add(str(run["id"]).rpartition("-")[2])
            known |= _executions(reader, run["number"])
            contracts = _contracts(reader, run["number"])
            for symbol, size in _positions(reader, run["number"]).items():
                if symbol in contracts and size:
                    held[contracts[symbol]] += size
        return Siblings(frozenset(heads), dict(held), frozenset(known))


def _simulated(reader: Reader, run: int) -> bool | None:
    """Tell what kind of gateway a run was at last; None where it never had a session."""
    rows = list(reader.rows("sessions", "run = :run", order="number", run=run))
    return bool(rows[-1]["simulated"]) if rows else None


def _contracts(reader: Reader, run: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in reader.rows("sessions", "run = :run", order="number", run=run):
        found |= {symbol: int(facts.get("con_id") or 0) for symbol, facts in row["contracts"].items()}
    return {symbol: con_id for symbol, con_id in found.items() if con_id}


def _positions(reader: Reader, run: int) -> dict[str, Decimal]:
    """Return the position of each symbol after its newest fill."""
    rows = reader.ask(
        "SELECT symbol, position FROM fills WHERE run = :run AND number IN"
        " (SELECT MAX(number) FROM fills WHERE run = :run GROUP BY symbol)",
        run=run,
    )
    return {row["symbol"]: reader.decode("fills", row)["position"] for row in rows}


def _executions(reader: Reader, run: int) -> set[str]:
    rows = reader.ask(
        "SELECT execution FROM fills WHERE run = :run AND execution IS NOT NULL"
        f" ORDER BY number DESC LIMIT {_RECENT}",
        run=run,
    )
    return {row["execution"] for row in rows}
