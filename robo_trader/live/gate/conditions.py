"""The gate in front of real money: every condition, what was found, and what to do where it is not met.

Sending to a paper account, or on a simulated gateway, needs no gate. Sending to real money needs all of
`conditions`; `demand` raises `GateError` (exit code 3) which lists each that is not met. A person may send
all the same by an override, which is signed into the journal with a reason before anything is sent and holds
for that start alone; that the account's id is typed in full cannot be overridden.

Failure contract: nothing is sent and nothing but an override is written here. A journal that cannot be read
raises `JournalError`, and so nothing is sent either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from robo_trader.errors import RefusedError, UsageError
from robo_trader.journal.standing import reading
from robo_trader.live.gate.evidence import (
    CLOCK_TOLERANCE,
    Evidence,
    is_paper,
    paper_evidence,
    weekday,
)

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal, RunJournal
    from robo_trader.journal.reading import Reader, Row
    from robo_trader.plugin_rows import PluginRow

#: Fewer sessions of paper trading are never enough, whatever the configuration says.
LEAST_SESSIONS = 30
#: The shortest reason of an override, in characters.
LEAST_REASON = 20
#: The condition that no override lifts.
ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition by its `name`; `text` says what was found and, where it is not `met`, what to do."""

    name: str
    met: bool
    text: str


class GateError(RefusedError):
    """Sending to real money was refused; `conditions` holds those that are not met."""

    def __init__(self, account: str, unmet: Sequence[Condition], of: int) -> None:
        listed = "; ".join(f"({i}) {one.name}: {one.text}" for i, one in enumerate(unmet, 1))
        super().__init__(
            f"nothing is sent to {account}: {len(unmet)} of {of} conditions are not met: {listed}",
            hint="without --send everything is computed and journalled, and nothing is sent",
        )
        self.conditions = tuple(unmet)


def needs_gate(account: str, *, simulated: bool) -> bool:
    """Tell whether sending to `account` is sending real money."""
    return not simulated and not is_paper(account)


def conditions(
    journal: Journal | Reader,
    *,
    account: str,
    typed: str | None,
    code_hash: str,
    risk_hash: str,
    capital: float,
    sectors: Mapping[str, str | None],
    quarantined: Sequence[PluginRow],
    now: datetime,
    evidence_sessions: int = LEAST_SESSIONS,
    capital_least: float = 1000.0,
    capital_most: float = 10000.0,
    reconcile_age: timedelta = timedelta(hours=24),
    is_session: Callable[[date], bool] = weekday,
    params: Mapping[str, Any] | None = None,
) -> list[Condition]:
    """Return every condition of sending to the real-money `account`, met or not.

    `typed` is the id as a person typed it for this start, not what a file says; `capital` the strategy's
    starting capital in account currency; `sectors` maps each traded symbol to its sector, None where nobody
    told one; `now` is aware UTC. `is_session` and `params` are those of `paper_evidence`. Flush the run's
    journal first, so that the reconcile at the session's start is seen.
    """
    with reading(journal) as reader:
        found = paper_evidence(
            reader, code_hash=code_hash, risk_hash=risk_hash, now=now, is_session=is_session, params=params
        )
        return [
            _evidence(found, max(LEAST_SESSIONS, evidence_sessions)),
            _capital(capital, capital_least, capital_most),
            _reconcile(reader, account, now, reconcile_age),
            _plugins(quarantined),
            _sectors(sectors),
            _account(account, typed),
        ]


def demand(account: str, found: Sequence[Condition]) -> None:
    """Raise `GateError` unless every condition is met."""
    unmet = [one for one in found if not one.met]
    if unmet:
        raise GateError(account, unmet, len(found))


def override(
    run: RunJournal,
    found: Sequence[Condition],
    *,
    account: str,
    retyped: str | None,
    who: str,
    reason: str,
    timeout: float = 30.0,
) -> tuple[Condition, ...]:
    """Sign that `who` sends to `account` although conditions are not met; return those.

    `retyped` is the account's id as it was typed once more for this very purpose, at a terminal or by an
    option of its own. A reason of less than `LEAST_REASON` characters is a `UsageError`; another id, an
    `account` condition that is not met, and a journal that did not take the signature are a refusal.
    Where everything is met there is nothing to sign.
    """
    unmet = tuple(one for one in found if not one.met)
    if not unmet:
        return ()
    words = " ".join(reason.split())
    if len(words) < LEAST_REASON:
        raise UsageError(
            f"the reason of an override has {len(words)} characters, and needs {LEAST_REASON} at least",
            hint='say why it is right to send now: --override "…"',
        )
    if any(one.name == ACCOUNT for one in unmet):
        raise GateError(account, unmet, len(found))
    if retyped != account:
        raise RefusedError(
            f"the override is not signed: {retyped or 'nothing'!r} was typed and the account is {account}",
            hint="type the account's id once more, in full",
        )
    run.override(who, words, [asdict(one) for one in unmet])
    if not run.flush(timeout) or not run.healthy:
        raise RefusedError(
            f"the override could not be signed into the journal: {run.trouble or 'it does not answer'}",
            hint="nothing was sent; mend the journal first",
        )
    return unmet


# -- the conditions ------------------------------------------------------------------------------


def _evidence(found: Evidence, needed: int) -> Condition:
    days = len(found.dates)
    text = f"{days} of {needed} sessions of paper trading with this code and these limits"
    if days:
        text += (
            f" ({found.dates[0]} to {found.dates[-1]}: {_many(found.orders, 'order')},"
            f" {_many(found.fills, 'fill')})"
        )
    if found.other_parameters:
        text += f"; {found.other_parameters} of them ran with other parameters"
    if found.too_short:
        text += f"; {_many(len(found.too_short), 'day')} with less than half an hour of heartbeats"
    for why, count in found.left_out.items():
        text += f"; {_many(count, 'session')} not counted: they {why}"
    if days < needed:
        text += "; go on with 'robo paper STRATEGY --ib HOST:PORT' on a paper account, unchanged"
    return Condition("evidence", days >= needed, text)


def _capital(capital: float, least: float, most: float) -> Condition:
    bounds = f"{least:,.0f} to {most:,.0f}"
    if least <= capital <= most:
        return Condition("capital", True, f"{capital:,.2f} lies within {bounds}")
    todo = (
        "give less with --cash, or raise [live] capital_most"
        if capital > most
        else "give more with --cash; less than that is eaten by commissions"
    )
    return Condition("capital", False, f"{capital:,.2f} does not lie within {bounds}; {todo}")


def _reconcile(reader: Reader, account: str, now: datetime, age: timedelta) -> Condition:
    rows, ahead = _reconciliations(reader, account, now)
    todo = "run 'robo reconcile'"
    if not rows:
        what = "none" if not ahead else f"none but {ahead} from the future: the clock was wrong"
        return Condition("reconcile", False, f"{what} of this account on a real gateway; {todo}")
    newest = max(rows, key=lambda row: row["at"])
    old = now - newest["at"]
    when = f"{newest['at']:%Y-%m-%d %H:%M} UTC"
    if old > age:
        text = f"the newest is of {when}, {_hours(old)} old, and may be {_hours(age)} old at most; {todo}"
        return Condition("reconcile", False, text)
    left = [] if newest["accepted"] else newest["differences"]
    if left:
        shown = "; ".join(left[:3]) + (f"; and {len(left) - 3} more" if len(left) > 3 else "")
        text = f"{_many(len(left), 'difference')} at {when}: {shown}; resolve or accept by 'robo reconcile'"
        return Condition("reconcile", False, text)
    known = len(newest["differences"])
    text = f"{_many(known, 'difference')}, accepted by {newest['who']}" if known else "agrees"
    return Condition("reconcile", True, f"{when}: {text}")


def _reconciliations(reader: Reader, account: str, now: datetime) -> tuple[list[Row], int]:
    """Return the last reconcile of each run in an account on a real gateway, and how many lie in the future.

    Within a run the last is the one with the highest number, whatever a clock said. A session leaves out
    what somebody accepted. One that no session made counts in a run that had a session with the account
    on a real gateway.
    """
    rows: list[Row] = []
    ahead = 0
    for run in list(reader.rows("runs", "account = :account", account=account)):
        sessions = {row["number"]: row for row in reader.rows("sessions", "run = :run", run=run["number"])}
        real = {n for n, row in sessions.items() if not row["simulated"] and row["account"] == account}
        last: Row | None = None
        for row in reader.rows("reconciliations", "run = :run", run=run["number"]):
            if row["session"] not in real and (row["session"] is not None or not real):
                continue
            if row["at"] > now + CLOCK_TOLERANCE:
                ahead += 1
                continue
            last = row
        rows += [last] if last is not None else []
    return rows, ahead


def _plugins(quarantined: Sequence[PluginRow]) -> Condition:
    if not quarantined:
        return Condition("plugins", True, "none is broken")
    broken = "; ".join(f"{row.name} is broken: {row.error} ({row.fix})" for row in quarantined)
    names = ", ".join(f'"{row.name}"' for row in quarantined)
    return Condition("plugins", False, f"{broken}; mend it, or leave it out: [plugins] disabled = [{names}]")


def _sectors(sectors: Mapping[str, str | None]) -> Condition:
    missing = sorted(symbol for symbol, sector in sectors.items() if not sector)
    if not missing:
        return Condition("sectors", True, f"{_many(len(sectors), 'symbol')}, each with its sector")
    text = f"nobody told the sector of {', '.join(missing)}, so that its limit would mean nothing"
    todo = f'write [bars.symbols.{missing[0]}] sector = "…" into robo.toml, or name a file in risk.sectors'
    return Condition("sectors", False, f"{text}; {todo}")


def _account(account: str, typed: str | None) -> Condition:
    if typed == account:
        return Condition(ACCOUNT, True, f"{account} was typed in full")
    seen = f"{typed!r} was typed" if typed else "its id was not typed"
    return Condition(ACCOUNT, False, f"{seen}; type it in full: --account {account}")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.4g} h"
