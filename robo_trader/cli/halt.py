"""`robo halt`: stop trading from outside, by the state store and by a plain file; end what does not obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.errors import RoboError
    from robo_trader.live.halts.order import Outcome
    from robo_trader.risk.halt import Halt
    from robo_trader.state import State

app = single()


@app.command(cls=RoboCommand)
@example("robo halt", 'robo halt --why "the data look wrong"', "robo halt --flatten --cancel-all")
def halt(
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason, kept with the change.")
    ] = "robo halt",
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Cancel every order of the sessions and close their positions.")
    ] = False,
    cancel_all: Annotated[
        bool, typer.Option("--cancel-all", help="Cancel the sessions' protective exits, too.")
    ] = False,
    reducing: Annotated[
        bool,
        typer.Option(
            "--reducing", help="Only stop openings: orders that reduce positions pass, no session is ended."
        ),
    ] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Stop trading now: no strategy's order passes until 'robo resume'.

    Sets the state to HALTED in the state store and in the file .robo/HALT; sessions read both before
    each order. Orders that would enlarge positions are cancelled, protective exits stay. Anybody can
    do the same by creating that file. Where the store cannot be reached or robo.toml cannot be used, the
    file is written all the same; what it says holds, and the command then fails.

    A session that does not obey within 0.7 seconds (1.2 where it still gives signs of life) hangs: its
    process is ended, and its orders are cancelled from here under its client id by the same rule. Where
    that fails every open order of the login is cancelled, protective exits and other programs' orders
    included, and the command says so. What it ended may be flattened by a later 'robo halt --flatten'.
    """
    from robo_trader import clock

    began = clock.monotonic()
    from robo_trader.cli import halts
    from robo_trader.errors import BrokerError, RoboError, RunError, StateError, UsageError
    from robo_trader.risk.halt import HALTED, REDUCING, HaltStore

    if reducing and (flatten or cancel_all):
        raise UsageError(
            "--reducing leaves positions and exits alone", hint="leave out --flatten and --cancel-all"
        )
    state = REDUCING if reducing else HALTED
    config, state_store, problem = _places(config_file)
    if config is None and reducing and problem is not None:
        raise problem
    changes: list[Halt] = []
    # A configuration that cannot be used must not keep trading going: the file needs none.
    store = HaltStore(None if config is None else state_store, on_change=changes.append)
    try:
        now = store.set(state, who=halts.who(), why=why, flatten=flatten, cancel_all=cancel_all)
    except (StateError, RunError) as error:
        now, problem = store.read(), error
    if not as_json:
        halts.show(now, as_json)
    if config is None:
        out.note("only the file is set; the state store could not be opened", label="warning")
    if (flatten, cancel_all) != (now.flatten, now.cancel_all):
        out.note("sessions that obey the file know nothing of --flatten and --cancel-all", label="warning")
    found: list[Outcome] = []
    try:
        found = _stop(config, state_store, now, began, flatten, cancel_all)
    except RoboError as error:
        out.note("who is running is not known: a session that hangs goes on", label="warning")
        problem = problem or error
    if as_json:
        out.print_json({**now.as_dict(), "sessions": [outcome.as_dict() for outcome in found]})
    if config is not None:
        # The journal comes last: a database that is away must not keep orders open meanwhile.
        for change in changes:
            halts.journal_change(config, change)
    if problem is not None:
        raise problem
    out.note("'robo resume' lets strategies trade again")
    failed = [outcome.failed for outcome in found if outcome.failed]
    if failed and state == HALTED:
        more = f", and {len(failed) - 1} more sessions" if len(failed) > 1 else ""
        raise BrokerError(f"not everything could be stopped: {failed[0]}{more}")


def _places(config_file: str | None) -> tuple[Config | None, State, RoboError | None]:
    """Return configuration and state store; where they cannot be used the project's own store and why."""
    from robo_trader.cli import halts
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError
    from robo_trader.state import open_state

    try:
        config = load_config(config_file)
        return config, halts.open_store(config), None
    except RoboError as error:
        return None, open_state(), error


def _stop(
    config: Config | None, store: State, now: Halt, began: float, flatten: bool, cancel_all: bool
) -> list[Outcome]:
    """See to it that every session obeys; raise where nobody can say who is running."""
    from robo_trader import clock
    from robo_trader.cli import halts
    from robo_trader.errors import RoboError
    from robo_trader.live.halts.choosing import mark_of
    from robo_trader.live.halts.emergency import stop_sessions
    from robo_trader.live.halts.order import Order
    from robo_trader.risk.halt import HALTED

    try:
        journal = config.resolve("journal.url") if config is not None else None
    except RoboError:
        journal = None  # It is said where the change is journalled.
    order = Order(
        mark=mark_of(now), since=now.when or clock.now(), who=halts.who(), why=now.why, flatten=flatten,
        cancel_all=cancel_all, rescue=now.state == HALTED, journal=journal or None,
        folder=str(halts.JOURNAL.parent),
    )  # fmt: skip
    found = stop_sessions(store, order, _told, began=began)
    if not found:
        out.note("no session is running here; any that starts will find this state")
    return found


def _told(seconds: float, text: str) -> None:
    out.note(out.harmless(f"{seconds:.2f} s: {text}"))
