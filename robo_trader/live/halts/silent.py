"""A session that is asked to halt from outside: its answer, and what is done where none comes.

Its process is ended where that is surely its own, and its orders are dealt with at the broker.

Failure contract: `look` and `run` never raise; what could not be done stands in `Outcome.failed`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.errors import RoboError
from robo_trader.live.halts import processes

if TYPE_CHECKING:
    from robo_trader.live.halts.order import Order, Outcome
    from robo_trader.live.halts.rescue import BrokerSide, Cancelled, Flat, RunBook
    from robo_trader.state import Heartbeat, State

#: How long a process may take to be gone and its client id to be free again, in seconds.
DYING, FREED = 1.0, 1.0
#: How much longer one may take that has given a sign of life since the halt: it does not hang, it is busy.
BUSY = 0.5
#: How long reading the journal may hold up cancelling, in seconds, once the broker has answered.
READING = 0.3
#: How long a session waits for those that took its client id to be dealt with, in seconds.
_RIVALS = 10.0
#: Added to a client id that is in use, to look at its orders under another.
_ANOTHER = 7_000
#: What the names of sessions begin with.
SESSION = "session/"
#: How a heartbeat says that its session was ended by a halt, and that nothing of it is left to be closed.
_FROM_OUTSIDE, _FLATTENED = "from outside", "flattened from outside"
_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")
_BY_HAND = "cancel the orders by hand in TWS, IB Gateway or the broker's web page"


def stopped(beat: Heartbeat) -> bool:
    """Tell whether the session has ended, in order or by an earlier halt."""
    return beat.about.get("phase") == "stopped"


def left_behind(beat: Heartbeat) -> bool:
    """Tell whether an earlier halt ended the session: its positions and exits are as that left them."""
    return stopped(beat) and beat.about.get("ended") == _FROM_OUTSIDE


class SilentSession:
    """One session: its answer, and what is done where none comes.

    `tell` hears each step. Its outcome is complete when `done` is set.
    """

    tell: Callable[[str], None]

    def __init__(self, store: State, beat: Heartbeat, order: Order, outcome: Outcome, began: float) -> None:
        self.outcome, self._order, self._store, self._began = outcome, order, store, began
        self._beat = beat
        #: Sessions that came later and took its client id.
        self.rivals: Sequence[SilentSession] = ()
        self.done = threading.Event()
        self._gone = self._left = left_behind(beat)
        self._book: list[RunBook | str] = []
        self._read = threading.Event()

    @property
    def about(self) -> Mapping[str, Any]:
        return self._beat.about

    @property
    def here(self) -> bool:
        return bool(self.about.get("host") == socket.gethostname())

    @property
    def pid(self) -> int:
        pid = self.about.get("pid")
        return pid if isinstance(pid, int) else 0

    @property
    def title(self) -> str:
        strategy = self.about.get("strategy")
        return f"session {self._beat.name.removeprefix(SESSION)}" + (f" ({strategy})" if strategy else "")

    # -- waiting -----------------------------------------------------------------------------------

    def look(self, beat: Heartbeat | None, late: float) -> bool:
        """Look at the newest heartbeat; tell whether waiting for this session has an end.

        `late` is for how many seconds patience has been over.
        """
        self._beat = beat or self._beat
        if self._left:
            self.tell(f"{self.title} was ended by an earlier halt")
            return True
        if self.about.get("halted_at") == self._order.mark or stopped(self._beat):
            self.outcome.answered = True
            self.done.set()
            self.tell(f"{self.title} {'has stopped' if stopped(self._beat) else 'obeyed'}")
            return True
        if not self._gone and self.here and self.pid:
            now, born = processes.started(self.pid), self.about.get("started")
            self._gone = now is None or bool(now and born and now != born)
            if self._gone:
                self.tell(f"{self.title} is gone: its process {self.pid} ended without saying so")
        if self._gone:
            return True
        over = late >= (BUSY if self._beat.at > self._order.since else 0.0)
        if over and not self._order.rescue:
            self.outcome.failed = f"{self.title} did not answer"
            self.tell(f"{self.outcome.failed}; it reads the state before each order")
        return over

    # -- what is done ------------------------------------------------------------------------------

    def run(self) -> None:
        """End the process and deal with its orders; never raises."""
        try:
            self._run()
        except RoboError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator hears what is left to do
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self.done.set()

    def _fail(self, why: str) -> None:
        self.outcome.failed = f"{self.title}: {why}; {_BY_HAND}"
        self.tell(self.outcome.failed)

    def _run(self) -> None:
        place = str(self.about.get("ib") or "")
        if self._waits_for_its_line(place):
            return
        threading.Thread(target=self._read_book, name="journal", daemon=True).start()
        if not self._gone:
            self._end()
        if not place:
            self.tell(f"{self.title} had no broker but its own simulated one, which ended with it")
            self._sign_off()
            return
        host, port, client = self._place(place)
        if not self.here and host in _OWN_MACHINE:
            raise RoboError(
                f"it runs on {self.about.get('host')} and its gateway at {place} is reached from there only",
                hint=f"run 'robo halt' on {self.about.get('host')}",
            )
        for rival in self.rivals:
            rival.done.wait(_RIVALS)
        self.rivals = [rival for rival in self.rivals if not rival._gone]
        self._deal(host, port, client)
        if self._gone and not self.outcome.failed:
            self._sign_off()

    def _place(self, place: str) -> tuple[str, int, int]:
        """Return host, port and client id of its line."""
        host, _, port = place.rpartition(":")
        client = self.about.get("client_id")
        if not host or not port.isdecimal() or not isinstance(client, int):
            raise RoboError(
                f"its heartbeat names no line to the broker: ib {place!r}, client_id {client!r}",
                hint="was it written by another version?",
            )
        return host, int(port), client

    def _waits_for_its_line(self, place: str) -> bool:
        """Tell whether the session lives and only its line is down: it cancels as soon as it is back."""
        if self._gone or self.about.get("line") != "down" or self._beat.at < self._order.since:
            return False
        host, _, port = place.rpartition(":")
        with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), 0.3):
            return False
        self.outcome.failed = f"{self.title} lives, but nothing answers at {place}: its orders are untouched"
        self.tell(f"{self.outcome.failed}; it cancels them when its line is back. Or {_BY_HAND}")
        return True

    def _end(self) -> None:
        """End the session's process where that can be done."""
        who = f"{self.title} did not answer"
        if not self.here:
            self.tell(f"{who}; it runs on {self.about.get('host')} and cannot be ended from here")
            return
        born = str(self.about.get("started") or "")
        try:
            ended = processes.end(self.pid, born)
        except RoboError as error:
            self.tell(f"{who}: {error}")
            return
        if not ended:
            self._gone = processes.started(self.pid) is None
            self.tell(
                f"{who}, and its process is gone"
                if self._gone
                else f"{who}; whether process {self.pid} is still its own is not known, so it was not ended"
            )
            return
        until = clock.monotonic() + DYING
        while processes.started(self.pid) == born and clock.monotonic() < until:
            time.sleep(0.002)
        self._gone = processes.started(self.pid) != born
        self.outcome.ended_pid = self.pid
        still = "" if self._gone else " but is still there"
        self.tell(f"{who}, its process {self.pid} was ended{still}")

    def _sign_off(self) -> None:
        """Note in the heartbeat that this session is over; the next halt only goes further, if it asks to."""
        try:
            ended = _FLATTENED if self._order.flatten else _FROM_OUTSIDE
            last = {**self.about, "phase": "stopped", "ended": ended, "line": "down"}
            self._store.heartbeat(self._beat.name, **last)
        except RoboError as error:
            self.tell(f"{self.title}: that it is over could not be noted: {error}")

    # -- its orders --------------------------------------------------------------------------------

    def _deal(self, host: str, port: int, client: int) -> None:
        from robo_trader.errors import BrokerError

        try:
            side = self._connect(host, port, client)
        except BrokerError as error:
            self._without_its_id(host, port, client, error)
            return
        with side:
            try:
                self._cancel(side)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is one more way
                self.tell(f"{self.title}: cancelling one by one failed: {str(error) or type(error).__name__}")
                with contextlib.ExitStack() as closing:
                    if not side.up:
                        side.close()
                        side = closing.enter_context(self._connect(host, port, client))
                    self._everything(side)
                    if self._order.flatten:
                        self._flatten(side)
                return
            if self._order.flatten:
                self._flatten(side)

    def _connect(self, host: str, port: int, client: int, freed: float = FREED) -> BrokerSide:
        """Connect under a client id that the broker may take a moment to free."""
        from robo_trader.ib.connection import Line
        from robo_trader.live.halts.rescue import BrokerSide, ClientIdInUse

        line = Line(host=host, port=port, client_id=client, account=str(self.about.get("account") or ""),
                    watch_only=True, timeout=5.0)  # fmt: skip
        until = clock.monotonic() + (freed if self._gone and not self.rivals else 0.0)
        while True:
            try:
                return BrokerSide(line)
            except ClientIdInUse:
                if clock.monotonic() > until:
                    raise
                time.sleep(0.03)

    def _without_its_id(self, host: str, port: int, client: int, error: RoboError) -> None:
        """Send the global cancel under another client id, for its own cannot be had."""
        from robo_trader.live.halts.rescue import ClientIdInUse, RunBook

        if not isinstance(error, ClientIdInUse):
            book = self._book[0] if self._read.wait(READING) and self._book else None
            simulated = isinstance(book, RunBook) and book.simulated
            if self._gone and simulated and "nothing listens" in error.message:
                self.tell(f"{self.title}: its simulated gateway is gone, and its orders with it")
                return
            raise error
        self.tell(f"{self.title}: {error.message}, so its orders cannot be cancelled one by one")
        everything = self._order.cancel_all or self._order.flatten
        with self._connect(host, port, client + _ANOTHER, 0.0) as side:
            side.book = self._known()
            prefix = f"{str(self.about.get('run') or '').rpartition('-')[2]}-"
            goes = side.enlarging(client, prefix, cancel_all=everything)
            if not goes:
                self.tell(f"{self.title}: nothing of it is open that would have to be cancelled")
            elif self.rivals:
                rivals = ", ".join(rival.title for rival in self.rivals)
                raise RoboError(
                    f"{rivals} has its client id now, under which alone can be cancelled: {_list(goes)}",
                    hint="stop that session and run 'robo halt' again",
                )
            else:
                self._everything(side)
        if self._order.flatten:
            raise RoboError("its positions were not closed, for its client id is in use")

    def _cancel(self, side: BrokerSide) -> None:
        side.book = self._known()

        def sent(orders: Any) -> None:
            self.outcome.cancelled += [order.name for order in orders]
            self.outcome.last_cancel = round(clock.monotonic() - self._began, 3)
            self.tell(f"{self.title}: cancelling {_list(orders)}")

        done = side.cancel(cancel_all=self._order.cancel_all or self._order.flatten, sent=sent)
        self.outcome.stays = [order.name for order in done.stays]
        self.tell(f"{self.title}: {_summary(done)}")
        if done.bare:
            self.tell(
                f"{self.title}: filled in part and left without their exits, which went with them: "
                f"{_list(done.bare)}; 'robo halt --flatten' or exits by hand protect them"
            )

    def _everything(self, side: BrokerSide) -> None:
        side.cancel_everything()
        self.outcome.global_cancel = True
        self.outcome.last_cancel = round(clock.monotonic() - self._began, 3)
        self.tell(
            f"{self.title}: the global cancel was sent: every open order of this login went, protective "
            "exits and orders of other programs included"
        )
        if left := side.left_of_everything():
            self.outcome.failed = f"{self.title}: {left} orders are open after the global cancel"
            self.tell(f"{self.outcome.failed}; {_BY_HAND}")

    def _flatten(self, side: BrokerSide) -> None:
        if left := side.wait_until_gone():
            self.outcome.failed = f"{self.title}: not flattened, for {_list(left)} may still be filled"
            self.tell(self.outcome.failed)
            return
        wanted = side.to_close()
        if not wanted:
            self.tell(f"{self.title}: the account holds nothing of it to close")
            return
        from robo_trader.live.halts.flattening import Journalling

        with Journalling(self.about, self._order, self.tell) as journal:
            orders = journal.references(wanted)
            side.close_positions(orders)
            self.tell(f"{self.title}: closing {', '.join(flat.text() for flat in orders)}")
            done = side.filled(orders)
            journal.fills(done, side.executions.values(), side.commissions.values())
        for flat in done:
            signed = flat.filled if flat.side == "BUY" else -flat.filled
            self.outcome.flattened[flat.symbol] = float(signed)
        self._missing(side, done)

    def _missing(self, side: BrokerSide, done: list[Flat]) -> None:
        missing = [flat.text() for flat in done if flat.filled < flat.size]
        if missing:
            said = "".join(f"; {text}" for text in side.refusals())
            self.outcome.failed = f"{self.title}: not all was filled yet: {', '.join(missing)}{said}"
            self.tell(self.outcome.failed)
        else:
            self.tell(f"{self.title}: flat")

    # -- the journal -------------------------------------------------------------------------------

    def _known(self) -> RunBook | None:
        """Return the run's book; None, and say so, where the journal does not give it in time."""
        from robo_trader.live.halts.rescue import RunBook

        self._read.wait(READING)
        book = self._book[0] if self._book else "it could not be read in time"
        if isinstance(book, RunBook):
            return book
        self.tell(f"{self.title}: its journal is of no help, so the account's positions stand in: {book}")
        return None

    def _read_book(self) -> None:
        try:
            from robo_trader.live.halts.flattening import read_book

            self._book.append(read_book(str(self.about.get("run") or ""), self._order))
        except Exception as error:  # noqa: BLE001 - a broken journal must not keep orders open
            self._book.append(str(error) or type(error).__name__)
        finally:
            self._read.set()


def _list(orders: Any) -> str:
    return ", ".join(order.text() for order in orders)


def _summary(done: Cancelled) -> str:
    gone = f"{len(done.gone)} cancelled, acknowledged by the broker" if done.gone else "nothing to cancel"
    stays = f"; {_list(done.stays)} stays" if len(done.stays) == 1 else f"; {_list(done.stays)} stay"
    return gone + (stays if done.stays else "; no order is left")
