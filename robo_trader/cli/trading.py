"""What `robo paper` and `robo live` share: their options, the view of a session, its end.

What is decided, filled and wrong is a line on stderr as it happens, so that stdout holds the summary, or the
JSON, alone. Ctrl-C ends a session gracefully, a second one at once.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader import clock
from robo_trader.cli import figures, out
from robo_trader.cli.options import OUTPUT, option
from robo_trader.cli.places import program, require_writable
from robo_trader.cli.progress import Progress
from robo_trader.cli.style import coloured
from robo_trader.errors import UsageError

if TYPE_CHECKING:
    from robo_trader.live.trading import Outcome
    from robo_trader.records import Alert, Decision, Fill

BROKER = "Broker"
INTERRUPTED = 130

Ib = Annotated[
    str | None,
    option(BROKER, "HOST:PORT", "--ib", text="TWS or IB Gateway; its paper login is 127.0.0.1:4002."),
]
ClientId = Annotated[
    str | None, option(BROKER, "N", "--client-id", text="The session's own number there (default 1).")
]
Account = Annotated[
    str | None,
    option(BROKER, "ID", "--account", text="The account, typed in full where orders are sent."),
]
Send = Annotated[
    bool | None,
    typer.Option(
        "--send/--preview",
        help="Send orders, or compute and journal everything and send nothing (default).",
        rich_help_panel=BROKER,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Begin a new run; the last one is left.", rich_help_panel=BROKER),
]
NoReport = Annotated[
    bool,
    typer.Option(
        "--no-report", help="No report, baselines and hindsight twin: faster.", rich_help_panel=OUTPUT
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Alerts only, not each decision and fill.", rich_help_panel=OUTPUT),
]


def trade(
    ctx: typer.Context,
    mode: str,
    strategy: str | None,
    flags: Mapping[str, Any],
    params: Mapping[str, str],
    *,
    config_file: str | None,
    as_json: bool,
    quiet: bool,
    account: str | None = None,
    report: bool = True,
    **more: Any,
) -> None:
    """Trade until it ends, and show what came of it; `more` are further arguments of the verb."""
    from robo_trader.config import load_config

    settings = load_config(config_file, flags={k: v for k, v in flags.items() if v is not None})
    require_writable(Path(settings.get("run.out")))
    place = settings.get("live.ib")
    if not (strategy or settings.get("run.strategy")):
        raise UsageError(
            "nobody said which strategy", hint=f"robo {mode} STRATEGY; 'robo plugins' lists some"
        )
    if mode == "live" and not place:
        raise UsageError("'robo live' needs a gateway", hint="say where: --ib 127.0.0.1:4001")
    if place:
        _refuse_rehearsals(flags)
    else:
        from robo_trader.gateway.simclock import parse_speed

        parse_speed(str(settings.get("live.speed")))
    beginning = _beginning(mode, place, account, bool(more.get("send")))
    words = [word for word in ctx.find_root().obj or () if word != "--json"]
    # What a strategy prints is for people; stdout is for the JSON then.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout), stopping(place) as stop:
        with Progress("getting ready") as progress:
            from robo_trader.live.trading import Told
            from robo_trader.live.trading import trade as run

            teller = Teller(quiet=quiet)
            outcome = run(
                strategy,
                mode=mode,
                config=config_file,
                flags=dict(flags),
                account=account,
                params=params,
                report=report and settings.get("run.report"),
                command=shlex.join(["robo", *words]),
                stop=stop,
                told=Told(
                    progress=_until_it_trades(progress, beginning, stop),
                    alert=teller.alert,
                    fill=teller.fill,
                    decision=teller.decision,
                    note=_tell,
                ),
                **more,
            )
            teller.close()
    if as_json:
        out.print_json(as_dict(outcome))
    else:
        show(outcome, rehearsal=not place)
    if outcome.state == "interrupted" and not place:
        raise typer.Exit(INTERRUPTED)


def _refuse_rehearsals(flags: Mapping[str, Any]) -> None:
    """Raise for options that mean nothing at a gateway: its bars, costs and pace are its own."""
    given = [option for key, option in _REHEARSED.items() if flags.get(key) is not None]
    if given:
        raise UsageError(
            f"{', '.join(given)}: for rehearsals only; at a gateway bars and costs are the broker's",
            hint="leave it out, or rehearse with --ib ''",
        )


#: What only a rehearsal can be told, as configuration keys and options.
_REHEARSED = {
    "bars.source": "--bars",
    "run.start": "--start",
    "run.end": "--end",
    "live.speed": "--speed",
    "run.commission": "--commission",
    "run.slippage": "--slippage",
}


def _until_it_trades(
    progress: Progress, beginning: str, stop: threading.Event
) -> Callable[[str, int, int], None]:
    """Return `progress` for the start of a session: what trades for hours needs no moving picture.

    `beginning` is said once words and line are known to be good, and before anything is sent; nothing is
    said where `stop` came first.
    """
    left = [beginning]

    def tell(stage: str, done: int, total: int) -> None:
        if stop.is_set():
            return
        if left and stage != "reading bars":
            _tell(left.pop())
        if stage == "trading":
            progress.close()
            _tell(f"trading since {clock.now():%H:%M:%S}Z; '{program()} status --watch' shows what goes on")
        else:
            progress(stage, done, total)

    return tell


def _tell(text: str) -> None:
    """Write a line to stderr, if anybody reads it.

    A closed pipe or a full disk must not end a session that trades: its journal has it all, and `robo status`
    shows it.
    """
    with contextlib.suppress(OSError):
        out.note(text)


def _beginning(mode: str, place: str | None, account: str | None, send: bool) -> str:
    """Return what becomes of the orders, in words that cannot be mistaken."""
    if not place:
        return "REHEARSAL on the simulated gateway: no money moves. Ctrl-C ends it"
    if not send:
        return "PREVIEW: everything is computed and journalled, nothing is sent. Ctrl-C ends it"
    where = f"to {account or 'no account'} through {place}. Ctrl-C ends it"
    return f"SENDING orders, with REAL MONEY, {where}" if mode == "live" else f"SENDING orders {where}"


@contextlib.contextmanager
def stopping(place: str | None) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, or the end of a service or of the terminal.

    A second Ctrl-C interrupts.
    """
    stays = f"orders and positions stay at {place}" if place else "what was played is kept"
    stop = threading.Event()

    def asked(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _tell(f"stopping; {stays}. Ctrl-C again ends it at once")

    before = {}
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN:
        hangup = None  # Under nohup it shall live on without its terminal.
    for name in filter(None, (signal.SIGINT, signal.SIGTERM, hangup)):
        with contextlib.suppress(ValueError):  # Only a main thread hears signals.
            before[name] = signal.signal(name, asked)
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


# -- while it runs --------------------------------------------------------------------------------


class Teller:
    """Writes a line to stderr for each decision, fill and alert; times are UTC, of the market.

    Of more than `MOST_ALIKE` vetoes in a row of one moment and symbol the rest are counted, not written.
    """

    MOST_ALIKE = 5

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._vetoed = ""
        self._alike = 0

    def decision(self, decision: Decision) -> None:
        """Tell what the guard said of an order."""
        if self._quiet:
            return
        intent = decision.intent
        prices = [
            f"{word} {figures.price(at)}"
            for word, at in (("limit", intent.limit), ("stop", intent.stop))
            if at
        ]
        what = " ".join([intent.side, figures.size(intent.size), intent.symbol, intent.type, *prices])
        words = {"allow": "decided", "resize": "resized", "veto": "vetoed"}[decision.action]
        if decision.action == "resize":
            what += f" → {figures.size(decision.size)}"
        why = "; ".join(decision.reasons) or intent.because
        if decision.action == "veto":
            # Vetoes of one moment and symbol are of one kind, whatever figures their reasons hold.
            kind = f"{intent.time} {intent.symbol}"
            if kind != self._vetoed:
                self.close()
                self._vetoed = kind
            self._alike += 1
            if self._alike > self.MOST_ALIKE:
                return
        self._line(intent.time, words, f"{what}{f': {why}' if why else ''}")

    def fill(self, fill: Fill) -> None:
        """Tell of an execution."""
        if not self._quiet:
            what = f"{fill.side} {figures.size(fill.size)} {fill.symbol} @ {figures.price(fill.price)}"
            self._line(fill.time, "filled", f"{what}, order {fill.order_id}")

    def alert(self, alert: Alert) -> None:
        """Tell of something that a person should hear of."""
        self._line(alert.time, alert.level, f"{alert.title}{f': {alert.text}' if alert.text else ''}")

    def close(self) -> None:
        """Say how many vetoes were not written."""
        more, self._vetoed, self._alike = self._alike - self.MOST_ALIKE, "", 0
        if more > 0:
            _tell(f"and {more:,} more orders vetoed at that moment; the journal has each")

    def _line(self, at: datetime, word: str, text: str) -> None:
        if word != "vetoed":
            self.close()
        label = f"{word:<8}"
        if coloured(sys.stderr):
            label = f"\033[{_PAINT[word]}m{label}\033[0m"
        _tell(f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {label}  {out.harmless(' '.join(text.split()))}")


_PAINT = {
    "decided": "2",
    "resized": "33",
    "vetoed": "31",
    "filled": "32",
    "info": "36",
    "warning": "33",
    "critical": "1;31",
}


# -- at the end -----------------------------------------------------------------------------------


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """Return how a session ended as plain data; of its result only where it was saved."""
    told = {field.name: getattr(outcome, field.name) for field in fields(outcome) if field.name != "result"}
    folder = _run_dir(outcome)
    return {**told, "run_dir": None if folder is None else str(folder)}


def show(outcome: Outcome, *, rehearsal: bool) -> None:
    """Print how a session ended, as a backtest's end where it has a run directory."""
    folder = _run_dir(outcome)
    if folder is not None:
        from robo_trader.cli import summary
        from robo_trader.runs import load_run

        run = load_run(folder)
        summary.show(run)
        summary.show_warnings(run)
        summary.show_place(run)
    _show_session(outcome, rehearsal)
    for text in outcome.warnings if folder is None else ():
        out.note(text, label="warning")
    for text in outcome.differences:
        out.note(f"journal and broker differ: {text}", label="warning")
    robo = program()
    run_id = "last" if folder is not None else outcome.run_id
    steps = [(f"{robo} explain {run_id}", "what it did, and why")] if outcome.bars or outcome.orders else []
    steps += [(f"{robo} reconcile", "look at the differences")] if outcome.differences else []
    if steps:
        out.steps(*steps)


def _show_session(outcome: Outcome, rehearsal: bool) -> None:
    out.write("")
    sent = f"sent to {outcome.account}" if outcome.sending else "PREVIEW: nothing was sent"
    sent = "a REHEARSAL" if rehearsal else sent
    counts = (("bar", outcome.bars), ("order", outcome.orders), ("fill", outcome.fills))
    counted = ", ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for what, count in counts)
    out.lines(f"session {outcome.session}, {outcome.state}: {counted}; {sent}")
    held = [
        f"{figures.size(size)} {symbol}" for symbol, size in sorted((outcome.positions or {}).items()) if size
    ]
    money = f"value {figures.money(outcome.value)}, cash {figures.money(outcome.cash)}"
    out.lines(f"{money}, {'holds ' + ', '.join(held) if held else 'no position'}")
    out.write(f"journal {outcome.journal}, run {outcome.run_id}")


def _run_dir(outcome: Outcome) -> Path | None:
    return outcome.result.run_dir if outcome.result is not None else None
