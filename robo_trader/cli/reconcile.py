"""`robo reconcile`: compare the journal of paper and live runs with what the broker has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from pathlib import Path

    from robo_trader.config import Config
    from robo_trader.ib.connection import Connection
    from robo_trader.ib.contracts import Qualified
    from robo_trader.ib.snapshot import Snapshot
    from robo_trader.journal.reading import Reader, Row
    from robo_trader.journal.standing import Standing
    from robo_trader.live.books.acceptance import Acceptance
    from robo_trader.live.books.reconcile import Reconciliation
    from robo_trader.state import State

app = single()

#: Refused: there are differences.
DIFFERENT = 3
#: So often the broker is asked again where a session was booking meanwhile.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """A run and what comparing it found; `alive` tells whether a session is writing its journal."""

    run: Row
    found: Reconciliation
    alive: bool


@app.command(cls=RoboCommand)
@example(
    "robo reconcile --ib 127.0.0.1:4002",
    'robo reconcile sma_cross --accept --why "50 SPY are from my own order of Monday"',
)
def reconcile(
    strategy: Annotated[
        str | None,
        typer.Argument(
            metavar="STRATEGY", help="Its newest run, or a run's id (default: all of the account)."
        ),
    ] = None,
    ib: Annotated[
        str | None,
        typer.Option("--ib", metavar="HOST:PORT", help="The gateway (default: [live] ib)."),
    ] = None,
    client_id: Annotated[
        int,
        typer.Option(
            "--client-id", metavar="N", min=0, help="The number at the gateway; 0 sees every client's."
        ),
    ] = 0,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="ID", help="The account (default: [live] account, or the only one)."
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the differences as they are: new orders may go out again.")
    ] = False,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="Why they are accepted, kept in the journal.")
    ] = "",
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Compare the journal with the broker's orders, fills and positions.

    Nothing is sent. What the journal lacks and the broker explains is put right by the next session; what
    nobody explains blocks new orders until it is gone, or accepted with --accept and a reason. An accepted
    difference counts as explained as long as it stays the same. Exit code 3: there are differences.
    """
    from robo_trader.config import load_config
    from robo_trader.errors import UsageError

    if accept and not why.strip():
        raise UsageError("--accept needs a reason", hint='add --why "what explains the differences"')
    if why and not accept:
        raise UsageError("--why is the reason of --accept", hint="add --accept, or leave out --why")
    config = load_config(config_file)
    host, port = _place(ib or str(config.get("live.ib") or ""))
    compared, snapshot, simulated = _compare(config, strategy, host, port, client_id, account)
    if accept:
        for one in compared:
            _accept(config, one, why)
    elif compared:
        _write(config, compared)
    if as_json:
        out.print_json(_plain(compared, snapshot, f"{host}:{port}", simulated))
    else:
        _show(compared, snapshot, accept)
    if not accept and any(not one.found.clean for one in compared):
        raise typer.Exit(DIFFERENT)


def _place(text: str) -> tuple[str, int]:
    from robo_trader.errors import UsageError

    hint = "write --ib 127.0.0.1:4002; IB Gateway's port is 4002 for paper, 4001 for live"
    if not text:
        raise UsageError("no gateway is named", hint=hint)
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise UsageError(f"{text!r} is no HOST:PORT", hint=hint)
    return host.strip("[]") or "127.0.0.1", int(port)


# -- comparing ---------------------------------------------------------------------------------------


def _compare(
    config: Config, strategy: str | None, host: str, port: int, client_id: int, account: str | None
) -> tuple[list[Compared], Snapshot, bool]:
    from robo_trader.cli import halts
    from robo_trader.ib.connection import Connection, Line
    from robo_trader.ib.snapshot import take_snapshot
    from robo_trader.journal.reading import read_journal
    from robo_trader.journal.siblings import siblings
    from robo_trader.live.books.reconcile import compare

    url, folder = config.resolve("journal.url"), halts.JOURNAL.parent
    wanted = account or str(config.get("live.account") or "")
    timeout = config.duration("live.timeout").total_seconds()
    line = Line(host, port, client_id, account=wanted, watch_only=True, timeout=timeout)
    with read_journal(url, folder=folder):
        pass  # Without a journal there is nothing to ask the broker for.
    with Connection(line) as connection, halts.open_store(config) as store:
        opened = connection.opened
        name = _account(wanted, opened.accounts)
        running = _running(store)
        with read_journal(url, folder=folder) as reader:
            runs = _runs(reader, strategy, name, opened.simulated)
            contracts = {run["id"]: _contracts(reader, run, connection) for run in runs}
            others = {run["id"]: siblings(reader, run["id"]) for run in runs}
        stands = _stands(url, folder, runs)
        for _ in range(_TRIES):
            before, snapshot = stands, take_snapshot(connection, name)
            stands = _stands(url, folder, runs)
            if {s.run_id: s.fills for s, _ in before} == {s.run_id: s.fills for s, _ in stands}:
                break  # No session booked anything while the broker was asked.
    compared = [
        Compared(
            run,
            compare(
                stand,
                snapshot,
                contracts[run["id"]],
                account=name,
                accepted=known,
                others=others[run["id"]],
            ),
            run["id"] in running,
        )
        for run, (stand, known) in zip(runs, stands, strict=True)
    ]
    return compared, snapshot, opened.simulated


def _stands(url: str, folder: Path, runs: list[Row]) -> list[tuple[Standing, tuple[str, ...]]]:
    """Return where each run stands now, and what holds as accepted in it."""
    from robo_trader.journal.reading import read_journal
    from robo_trader.journal.standing import standing
    from robo_trader.live.books.acceptance import accepted

    with read_journal(url, folder=folder) as reader:
        return [(standing(reader, run["id"]), accepted(reader, run["id"])) for run in runs]


def _account(wanted: str, accounts: tuple[str, ...]) -> str:
    from robo_trader.errors import UsageError

    if wanted or len(accounts) == 1:
        return wanted or accounts[0]
    raise UsageError(
        f"the login has {len(accounts)} accounts: {', '.join(accounts)}", hint="name one: --account ID"
    )


def _runs(reader: Reader, strategy: str | None, account: str, simulated: bool) -> list[Row]:
    """Return the runs to compare: the newest of each strategy and mode that can go on, or the one named."""
    from robo_trader.errors import UsageError, did_you_mean
    from robo_trader.journal.standing import latest_run

    there = list(reader.rows("runs", "account = :account", account=account))
    if strategy is not None and (run := reader.run(strategy)) is not None:
        if run["account"] != account:
            raise UsageError(
                f"run {strategy} is of account {run['account']}, not {account}", hint="--account ID"
            )
        kinds, chosen = set(), [run]
    else:
        kinds = {(row["mode"], row["strategy"]) for row in there if row["mode"] != "rehearsal"}
        if strategy is not None:
            names = {name for _, name in kinds}
            if strategy not in names:
                near = did_you_mean(strategy, names) or f"there are {', '.join(sorted(names)) or 'none'}"
                raise UsageError(f"no run of {strategy!r} in account {account} is in the journal", hint=near)
            kinds = {kind for kind in kinds if kind[1] == strategy}
        newest = {
            latest_run(reader, mode=mode, strategy=name, account=account) for mode, name in sorted(kinds)
        }
        chosen = [row for row in there if row["id"] in newest]
    fitting = []
    for row in chosen:
        sessions = list(reader.rows("sessions", "run = :run", order="number", run=row["number"]))
        if sessions and sessions[-1]["simulated"] != simulated:
            where, here = (
                ("a simulated", "a real") if sessions[-1]["simulated"] else ("a real", "a simulated")
            )
            text = f"run {row['id']} was traded at {where} gateway, and this is {here} one"
            if strategy is not None:
                raise UsageError(text, hint=f"it was {sessions[-1]['place']}: name it by --ib")
            out.note(f"{text}: left out", label="note")
            continue
        fitting.append(row)
    return fitting


def _contracts(reader: Reader, run: Row, connection: Connection) -> dict[str, Qualified]:
    """Return the contracts that a run trades or traded, as its sessions noted them, by symbol."""
    from dataclasses import replace

    from robo_trader.errors import RoboError
    from robo_trader.ib.contracts import ContractName, Qualified, qualify

    noted: dict[str, dict[str, Any]] = {}
    for session in reader.rows("sessions", "run = :run", order="number", run=run["number"]):
        noted.update(session["contracts"])
    for row in reader.rows("orders", "run = :run", run=run["number"]):
        noted.setdefault(row["symbol"], {})
    found = {}
    for symbol, facts in noted.items():
        con_id = int(facts.get("con_id") or 0)
        try:
            name = ContractName.parse(str(facts.get("notation") or symbol))
            found[symbol] = qualify(connection, name)
            if con_id:
                # What was traded counts, also where the name means another contract by now.
                found[symbol] = replace(found[symbol], name=replace(found[symbol].name, con_id=con_id))
        except RoboError as error:
            if con_id:
                # No longer listed, perhaps: its number is all that a comparison needs.
                found[symbol] = Qualified(ContractName(symbol, con_id=con_id), symbol, 0.01, "")
            else:
                out.note(f"{symbol}: {error}", label="warning")
    return found


def _running(store: State) -> set[str]:
    """Return the ids of the runs whose journal a living process writes."""
    from robo_trader.live.alone import living
    from robo_trader.live.halts.silent import SESSION

    return {
        str(beat.about.get("run") or name.removeprefix(SESSION))
        for name, beat in store.heartbeats().items()
        if name.startswith(SESSION) and living(beat)
    }


# -- writing -----------------------------------------------------------------------------------------


def _write(config: Config, compared: list[Compared], acceptance: Acceptance | None = None) -> None:
    """Write the comparisons of runs that no session writes; a living session reconciles by itself."""
    from robo_trader.cli import halts
    from robo_trader.journal.live import open_journal
    from robo_trader.live.books.acceptance import write

    resting = [one for one in compared if not one.alive]
    if resting:
        with open_journal(config.resolve("journal.url"), folder=halts.JOURNAL.parent) as journal:
            for one in resting:
                write(journal, one.run["id"], one.found, acceptance)


def _accept(config: Config, one: Compared, why: str) -> None:
    from robo_trader.cli import halts
    from robo_trader.live.books.acceptance import Acceptance, leave

    if one.found.clean:
        _write(config, [one])
        return
    acceptance = Acceptance(one.found.texts, halts.who(), why)
    if one.alive:
        with halts.open_store(config) as store:
            leave(store, one.run["id"], acceptance)
        out.note(f"run {one.run['id']}: its session is told and takes the acceptance over", label="note")
    else:
        _write(config, [one], acceptance)


# -- showing -----------------------------------------------------------------------------------------


def _rows(found: Reconciliation) -> list[tuple[str, str, str, str]]:
    """Return symbol, what the journal says, what the broker says, and what is to be done."""
    rows = [(d.symbol, d.journal, d.broker, d.todo) for d in found.differences]
    rows += [(d.symbol, d.journal, d.broker, "accepted before") for d in found.accepted]
    for missed in found.fills_missed:
        execution = missed.execution
        what = f"{execution.side} {execution.size:f} at {execution.price:f} ({execution.exec_id})"
        here = f"{missed.order.ref}: {missed.corrects or 'not there'}"
        rows.append((missed.order.symbol, here, what, "the session books it"))
    for held in found.orders_held:
        here = f"{held.order.ref}: {held.order.status}"
        rows.append((held.order.symbol, here, held.broker.status, "the session follows it"))
    for gone in found.orders_gone:
        there = f"{gone.status}, {gone.filled:f} filled" + (f": {gone.reason}" if gone.reason else "")
        here = f"{gone.order.ref}: {gone.order.status}"
        rows.append((gone.order.symbol, here, there, "the session closes it"))
    for order in found.never_sent:
        rows.append((order.symbol, f"{order.ref}: {order.status}", "never seen", "the session closes it"))
    return rows


def _show(compared: list[Compared], snapshot: Snapshot, accept: bool) -> None:
    if not compared:
        out.note(f"no run in account {snapshot.account} can go on: there is nothing to compare")
    columns = [out.Column("symbol"), *(out.Column(n, fold=True) for n in ("journal", "broker", "what to do"))]
    for i, one in enumerate(compared):
        if i:
            out.write("")
        found, run = one.found, one.run
        state = f"{len(found.differences)} differences" if len(found.differences) > 1 else "1 difference"
        state = "no differences" if found.clean else state + (", accepted" if accept else "")
        rows = _rows(found)
        if found.clean and len(rows) > len(found.accepted):
            state += " that a session cannot put right"
        out.lines(out.strong(out.harmless(f"{run['strategy']} ({run['mode']}), run {run['id']}: {state}")))
        if rows:
            out.table(columns, rows)
        if found.charges:
            out.note(f"{len(found.charges)} commissions are missing in the journal: the session books them")
        for text in found.notes:
            out.note(out.harmless(text), label="note")
        if not found.clean and not accept:
            out.note("new orders are blocked until they are gone, or accepted: see 'robo reconcile --help'")


def _plain(compared: list[Compared], snapshot: Snapshot, place: str, simulated: bool) -> dict[str, Any]:
    from dataclasses import asdict

    runs = []
    for one in compared:
        found = one.found
        runs.append(
            {
                "run": one.run["id"], "strategy": one.run["strategy"], "mode": one.run["mode"],
                "running": one.alive, "clean": found.clean,
                "differences": [asdict(difference) for difference in found.differences],
                "accepted": [asdict(difference) for difference in found.accepted],
                "lapsed": found.lapsed,
                "fills_missed": [
                    {
                        "ref": m.order.ref, "execution": m.execution.exec_id, "symbol": m.order.symbol,
                        "side": m.execution.side, "size": m.execution.size, "price": m.execution.price,
                        "commission": m.commission.amount if m.commission else None, "corrects": m.corrects,
                    }
                    for m in found.fills_missed
                ],
                "orders_held": [
                    {"ref": h.order.ref, "symbol": h.order.symbol, "status": h.broker.status}
                    for h in found.orders_held
                ],
                "orders_gone": [
                    {"ref": g.order.ref, "symbol": g.order.symbol, "status": g.status, "filled": g.filled,
                     "reason": g.reason}
                    for g in found.orders_gone
                ],
                "never_sent": [order.ref for order in found.never_sent],
                "charges": [asdict(charge) for charge in found.charges],
                "notes": found.notes,
            }
        )  # fmt: skip
    return {
        "account": snapshot.account, "place": place, "simulated": simulated, "at": snapshot.at,
        "net_liquidation": snapshot.value("NetLiquidation"), "runs": runs,
    }  # fmt: skip
