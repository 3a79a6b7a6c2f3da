"""One life of a strategy at the broker: its parts put together, its loop driven, its end written down.

Failure contract: before the session's row stands in the journal everything wrong is raised; afterwards the
row of its end is written whatever happens, and what a strategy raised is raised as `StrategyError`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.config import Config
from robo_trader.engine.commission import commission_for
from robo_trader.engine.recorder import Recorder
from robo_trader.errors import BrokerError, RoboError, StateError
from robo_trader.gateway.simclock import parse_speed
from robo_trader.ib.broker import IBBroker
from robo_trader.ib.connection import Connection, LineDownError
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.desk import Outgoing
from robo_trader.ib.executions import Orders
from robo_trader.ib.messages import Stirred
from robo_trader.ib.preview import preview
from robo_trader.ib.store import IBStore
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.journal.standing import heard, standing
from robo_trader.live.books import acceptance
from robo_trader.live.books.restoring import Restorer, same_contracts
from robo_trader.live.cerebro import LiveCerebro
from robo_trader.live.gate.codehash import code_hash, risk_hash
from robo_trader.live.gate.conditions import conditions, demand, needs_gate, override
from robo_trader.live.gate.evidence import market_days
from robo_trader.live.halts import processes
from robo_trader.live.halts.choosing import HaltFollower
from robo_trader.live.halts.obeying import Obeying
from robo_trader.live.journalled import JournalledGate
from robo_trader.live.lockstep import Lockstep
from robo_trader.live.news.hearing import Hearing, followed, played
from robo_trader.live.notes import Notes
from robo_trader.live.outcome import Outcome, Told, rehearsal_result, strategy_failed
from robo_trader.live.pulse import Pulse
from robo_trader.live.realtime import MarketClock, RealTime
from robo_trader.live.rehearsal import Rehearsal
from robo_trader.live.session import TradingSession
from robo_trader.live.startup import troubles
from robo_trader.live.wires import Wires
from robo_trader.plugins import PluginHost
from robo_trader.records import Alert, Decision, Fill
from robo_trader.risk.gate import AllowAll
from robo_trader.risk.halt import HaltStore
from robo_trader.risk.profile import load_guard
from robo_trader.risk.usage import Usage
from robo_trader.runs import RunInfo
from robo_trader.state import State
from robo_trader.strategy import StrategyContext
from robo_trader.strategy_manager import StrategyRef

#: A broker lists executions of the present day only: what fills later is found as a difference.
_RESTING = "start again before the day is over, or cancel openings there"
#: What a heartbeat tells of the broker's own account.
_SHOWN = ("NetLiquidation", "AvailableFunds", "BuyingPower")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a person said for this start: the account in full, and the words of an override."""

    typed: str | None = None
    override: str | None = None
    retyped: str | None = None
    who: str = "somebody"


class Life:
    """One session, from the journal's row of its start to that of its end.

    `typed` is the account as a person typed it for this start, `who` asks for an override.
    """

    def __init__(
        self,
        conf: Config,
        host: PluginHost,
        told: Told,
        stop: threading.Event,
        *,
        mode: str,
        ref: StrategyRef,
        params: Mapping[str, Any],
        info: RunInfo,
        journal: Journal,
        state: State,
        account: str,
        sending: bool,
        rehearsal: Rehearsal | None,
        claim: Claim,
    ) -> None:
        self.conf, self.host, self.told, self.stop = conf, host, told, stop
        self.mode, self.ref, self.params, self.info = mode, ref, params, info
        self.journal, self.state, self.account = journal, state, account
        self.sending, self.rehearsal, self.claim = sending, rehearsal, claim
        self.phase = "starting"
        self.earlier_orders = 0
        self.differences: Sequence[str] = ()

    def live(
        self,
        store: IBStore,
        market: MarketClock,
        began: int,
        earlier: str | None,
        *,
        save: bool,
        report: bool,
    ) -> Outcome:
        """Live it from `began` (market time, ns UTC), and return how it ended.

        `earlier` is the run to go on with.
        """
        self.market, self.began = market, began
        connection, contracts, frames = store.connection, store.contracts, store.frames
        conf = self.conf
        cash = float(conf.get("run.cash"))
        if earlier is not None:
            same_contracts(self.journal, earlier, contracts)
        run = self._run(earlier, cash)
        self.run = run
        if earlier is not None:
            cash = float(standing(self.journal, run.id).starting_cash or cash)
        halts = HaltStore(
            self.state, on_change=lambda h: run.halt(h.state, who=h.who, why=h.why, rule=h.rule)
        )
        # A rehearsal has no operator: its brakes lift by themselves, as in a backtest.
        guard = load_guard(conf, self.host, halts=None if self.rehearsal is not None else halts)
        self.risk_hash, self.capital = risk_hash(conf, self.host), cash
        self.number = run.session(
            account=self.account,
            place=f"{connection.line.host}:{connection.line.port}",
            simulated=connection.opened.simulated,
            library=f"{connection.library.name} {connection.library.version}",
            server_version=connection.opened.server_version,
            code_hash=code_hash(self.ref.cls),
            risk_hash=self.risk_hash,
            send=self.sending,
            contracts={
                name: {"notation": one.name.notation, "con_id": one.name.con_id}
                for name, one in contracts.items()
            },
            skew=connection.opened.skew,
        )
        hearing = self._hearing(store)
        notes = Notes(
            run, lambda text: self._alert("warning", text, ""),
            heard(self.journal, run.id) if earlier is not None else None,
        )  # fmt: skip
        gate = JournalledGate(guard if guard is not None else AllowAll(), run, notes.link)
        orders = Orders()
        desk = store.desk(orders, self.account) if self.sending else None
        recorder = Recorder(self._filled, self._decided, run.next_order_id)
        broker = IBBroker(recorder, gate, desk, notes, gate.refs, self._large(connection, contracts, cash))
        broker.setcash(cash)
        broker.trading_from = max(int(frame.end[-1]) for frame in frames) + 1
        context = StrategyContext(
            tape=hearing.tape, seed=conf.get("run.seed"), trading_from=broker.trading_from
        )
        cerebro = LiveCerebro(
            drive=lambda cerebro: self._drive(store, restorer), recorder=recorder, context=context,
            tz=conf.get("run.strategy_tz"),
        )  # fmt: skip
        cerebro.broker = broker
        for feed, frame in zip(store.feeds(conf.get("run.strategy_tz")), frames, strict=True):
            cerebro.adddata(feed, name=frame.symbol)
            scheme = commission_for(frame.instrument, 0.0, fractional=conf.get("run.fractional"))
            broker.addcommissioninfo(scheme, name=frame.symbol)
        cerebro.addstrategy(self.ref.cls, **self.params)
        restorer = Restorer(
            self.journal, run, connection, orders, contracts, self.account, gate.refs, self.number,
            *((desk.in_flight, desk.change_in_flight) if desk is not None else ()),
        )  # fmt: skip
        obeying = Obeying(
            HaltFollower(halts), cerebro, connection, orders, desk, gate,
            lambda level, title, text: self.session.trouble(level, title, text),
        )  # fmt: skip
        gate.before = lambda: obeying.follow(at_once=True)
        wires = Wires(
            cerebro=cerebro, connection=connection, inbox=store.inbox, orders=orders, desk=desk,
            series=store.series, streams=store.streams, gate=gate, guard=guard,
            halts=obeying, news=hearing, notes=notes,
            reconcile=lambda: self._compare(restorer), tell=self._tell,
        )  # fmt: skip
        self.session = TradingSession(wires)
        broker.hear_of = self.session.hear_of
        obeying.answer = lambda: self.pulse(at_once=True)
        self.pulse = Pulse(
            self.state, run, self.number, self._about, lambda text: self._alert("warning", text, ""),
            self._usage,
        )  # fmt: skip
        self.host.hook.robo_run_started(run=self.info)
        return self._end(self._play(cerebro), cash, save=save, report=report)

    # -- parts -------------------------------------------------------------------------------------------

    def _run(self, earlier: str | None, cash: float) -> RunJournal:
        """Begin a run in the journal, or go on with an earlier one."""
        info = self.info
        if earlier is not None:
            self.told.note(f"going on with the run {earlier}; --fresh begins a new one")
            info.id = earlier
            return self.journal.resume(earlier, on_alert=self._tell)
        return self.journal.begin(
            info.id, mode=self.mode if self.rehearsal is None else "rehearsal",
            strategy=info.strategy, command=info.command,
            starting_cash=cash, account=self.account, params=info.params, config=info.config,
            versions=info.versions, on_alert=self._tell,
        )  # fmt: skip

    def _hearing(self, store: IBStore) -> Hearing:
        """Return what the strategy hears of events and signals."""

        def frames() -> list[BarFrame]:
            return [one.feed.frame for one in self.session.w.series if one.feed is not None]

        if self.rehearsal is not None:
            return played(
                self.conf, self.host, self.rehearsal.inputs, frames,
                tell=self.told.progress, report=self._tell,
            )  # fmt: skip
        symbols = list(dict.fromkeys(one.symbol.partition("@")[0] for one in store.series))
        # The broker's own news, where it is followed, comes by this line and is about these contracts.
        contracts = {name.partition("@")[0]: one.name.notation for name, one in store.contracts.items()}
        return followed(
            self.conf, self.host, symbols, frames, name=f"{self.mode} {self.info.strategy} {self.account}",
            report=self._tell, wake=lambda: store.inbox.put(Stirred()),
            options={"ib": {"symbols": contracts, "connection": store.connection}},
        )  # fmt: skip

    def _large(
        self, connection: Connection, contracts: Mapping[str, Qualified], cash: float
    ) -> Callable[[Outgoing], str]:
        """Return what asks the broker about large orders before they leave."""
        least = float(self.conf.get("live.what_if")) * cash

        def ask(order: Outgoing) -> str:
            feed = next(f for f in self.session.w.cerebro.datas if f._name == order.symbol)
            instrument = feed.frame.instrument
            if (
                self.rehearsal is not None
                or float(order.size) * feed.close[0] * instrument.multiplier < least
            ):
                return ""
            held = self.session.w.cerebro.broker.positions[feed].size
            if held and (held > 0) != (order.side == "BUY") and float(order.size) <= abs(held):
                return ""
            try:
                preview(connection, contracts[order.symbol], order.side, float(order.size))
            except LineDownError:
                raise
            except BrokerError as error:
                return str(error)
            return ""

        return ask

    # -- the loop ----------------------------------------------------------------------------------------

    def _play(self, cerebro: LiveCerebro) -> BaseException | None:
        """Run Cerebro; return what the strategy raised."""
        random.seed(self.conf.get("run.seed"))
        try:
            cerebro.run()
        except KeyboardInterrupt:
            self.stop.set()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a strategy raises, it ends in order
            return error
        return None

    def _drive(self, store: IBStore, restorer: Restorer) -> None:
        session, cerebro = self.session, self.session.w.cerebro
        stands = restorer.begin(cerebro.broker, cerebro.strategies[0])
        if stands.fills:
            self.told.note(f"{len(stands.fills)} fills of earlier sessions are booked")
        self.earlier_orders = len(session.w.gate.refs)
        session.begin(self.began)
        session.compare_books()
        if self.sending:
            restorer.refuse_orders_of_others()
        if self.rehearsal is None:
            session.follow_quotes(store.contracts)
            contracts, account = list(store.contracts.values()), session.shown.account
            for text in troubles(store.connection, contracts, account, self.capital, sending=self.sending):
                session.trouble("warning", text, "")
        for name, needs, there in cerebro.short:
            text = f"it waits until there are {needs}; raise [live] history"
            session.trouble("warning", f"{name}: {there} bars are too few for this strategy to act", text)
        self._pass_gate()
        with session.w.news as news:
            news.open(cerebro.strategies, session.w.notes.missed)
            news.skip(cerebro.broker.trading_from)
            self.phase = "trading"
            self.beat(at_once=True)
            self._driver().drive()
        self.phase = "stopping"

    def _driver(self) -> Lockstep | RealTime:
        if self.rehearsal is not None:
            speed = parse_speed(str(self.conf.get("live.speed")))
            return Lockstep(
                self.rehearsal.gateway, self.session, speed, self.stop, self.beat, self._progress()
            )
        self.told.progress("trading", 0, 0)
        grace = self.conf.duration("live.grace").total_seconds()
        return RealTime(self.session, self.market, grace, self.stop, self.beat)

    def _progress(self) -> Callable[[int], None]:
        assert self.rehearsal is not None
        total = sum(int((f.end > self.session.now).sum()) for f in self.rehearsal.inputs.frames)
        return lambda now: self.told.progress("rehearsing", self.session.shown.bars, total)

    def beat(self, *, at_once: bool = False) -> None:
        """Give a sign of life, and take what a person has accepted meanwhile."""
        if not self.pulse(at_once=at_once):
            return
        for text in self.host.hook.take_warnings():
            self.session.trouble("warning", text, "")
        try:
            accepted = acceptance.take(self.state, self.run.id)
        except StateError:
            return  # The missing sign of life tells of it; an acceptance waits there until then.
        if accepted is not None:
            self.run.reconciled(
                accepted.differences, self.number, accepted=True, who=accepted.who, why=accepted.why
            )
            self.session.mender.look_again()

    def _pass_gate(self) -> None:
        """Ask for the gate's evidence before real money is sent."""
        session, conf = self.session, self.conf
        if not self.sending or not needs_gate(self.account, simulated=session.w.connection.opened.simulated):
            return
        claim = self.claim
        self.run.flush()
        found = conditions(
            self.journal,
            account=self.account,
            typed=claim.typed,
            code_hash=code_hash(self.ref.cls),
            risk_hash=self.risk_hash,
            capital=self.capital,
            sectors={
                f._name: self._sector(f.frame.instrument.symbol, f.frame.instrument.sector)
                for f in session.w.cerebro.datas
            },
            quarantined=self.host.quarantined(),
            now=clock.now(),
            evidence_sessions=conf.get("live.evidence_sessions"),
            capital_least=conf.get("live.capital_least"),
            capital_most=conf.get("live.capital_most"),
            reconcile_age=conf.duration("live.reconcile_age"),
            is_session=market_days(f.frame.instrument.calendar for f in session.w.cerebro.datas),
            params=self.params,
        )
        if claim.override is None:
            demand(self.account, found)
        else:
            override(
                self.run, found, account=self.account, retyped=claim.retyped,
                who=claim.who, reason=claim.override,
            )  # fmt: skip

    def _sector(self, symbol: str, told: str | None) -> str | None:
        guard = self.session.w.guard
        return told or (guard.view.sectors.sector(symbol) if guard is not None else None)

    def _compare(self, restorer: Restorer) -> Sequence[str]:
        session = self.session
        self.differences = restorer.compare(session.w.cerebro.broker, session.order_news)
        session.w.gate.unexplained = restorer.unexplained
        return self.differences

    # -- telling -----------------------------------------------------------------------------------------

    def _tell(self, alert: Alert) -> None:
        self.host.hook.robo_alert(alert=alert)
        self.told.alert(alert)

    def _alert(self, level: Any, title: str, text: str) -> None:
        self._tell(Alert(time=clock.now(), level=level, title=title, text=text, source="session"))

    def _decided(self, decision: Decision) -> None:
        self.host.hook.robo_order_decided(decision=decision)
        self.told.decision(decision)

    def _filled(self, fill: Fill) -> None:
        self.host.hook.robo_fill(fill=fill)
        self.told.fill(fill)

    def _usage(self) -> Sequence[tuple[str, Usage]]:
        """Return how much of each limit is used; a rehearsal's are nobody's business."""
        guard, broker = self.session.w.guard, self.session.w.cerebro.broker
        if guard is None or self.rehearsal is not None or self.phase != "trading":
            return ()
        try:
            return guard.usage(broker.book)
        except Exception as error:  # noqa: BLE001 - a rule that cannot say what it uses still judges orders
            self._alert("warning", "the use of the limits is not known", f"{type(error).__name__}: {error}")
            return ()

    def _about(self) -> dict[str, Any]:
        """Return what a heartbeat says; see the fields in `cli.status`."""
        session = self.session
        wires, broker = session.w, session.w.cerebro.broker
        line = wires.connection.line
        return {
            "mode": self.mode,
            "strategy": self.ref.name,
            "run": self.run.id,
            "session": self.number,
            "account": self.account,
            "ib": f"{line.host}:{line.port}",
            "client_id": line.client_id,
            "send": self.sending,
            "rehearsal": self.rehearsal is not None,
            "phase": self.phase,
            "line": "up" if wires.connection.up and session.shown.broker_line == "up" else "down",
            "market_time": clock.iso(session.now),
            "market_ns": session.now,
            "halted_at": wires.halts.halts.halted_at,
            "positions": {f._name: p.size for f, p in broker.positions.items() if p.size},
            "orders": sum(order.alive() for _, order in broker.by_ref()),
            "value": broker.getvalue(),
            "cash": broker.cash,
            "last_bar": clock.iso(session.shown.last_bar) if session.shown.last_bar else None,
            "trouble": list(session.shown.troubles)[-5:],
            "blocked": wires.gate.blocked,
            "broker": {key: session.shown.account[key] for key in _SHOWN if key in session.shown.account},
            "quotes": {
                name: {"bid": q.bid, "ask": q.ask, "last": q.last, "delayed": q.delayed, "halted": q.halted}
                for name, q in session.shown.quotes.items()
            },
            "started": processes.started(),
        }

    # -- the end -----------------------------------------------------------------------------------------

    def _end(self, error: BaseException | None, cash: float, *, save: bool, report: bool) -> Outcome:
        session, run = self.session, self.run
        cerebro, broker = session.w.cerebro, session.w.cerebro.broker
        state: Literal["finished", "interrupted", "failed"] = "finished"
        if error is not None or self.stop.is_set():
            state = "failed" if error is not None else "interrupted"
        self.phase = "stopped"
        self.pulse(at_once=True)
        if self.rehearsal is not None:
            self.pulse.forget()
        session.w.gate.close()
        run.end_session(self.number, state, str(error) if error is not None else "")
        # Only a rehearsal is over when its session is: any other run can go on another day.
        run.finish(state if self.rehearsal is not None else "interrupted")
        rests = [ref for ref, order in broker.by_ref() if order.alive()] if self.rehearsal is None else []
        warnings = []
        if rests:
            more = f" and {len(rests) - 5} more" if len(rests) > 5 else ""
            number = f"{len(rests)} order{'s rest' if len(rests) > 1 else ' rests'} at the broker"
            warnings = [f"{number}: {', '.join(rests[:5])}{more}; {_RESTING}"]
        outcome = Outcome(
            run_id=run.id, session=self.number, state=state, journal=self.journal.place,
            account=self.account, sending=self.sending, bars=session.shown.bars,
            orders=len(session.w.gate.refs) - self.earlier_orders, fills=len(broker.recorder.fills),
            value=float(broker.getvalue()), cash=float(broker.cash),
            positions={f._name: p.size for f, p in broker.positions.items() if p.size},
            differences=tuple(self.differences), warnings=warnings,
        )  # fmt: skip
        if self.rehearsal is not None:
            self.told.progress("writing", 0, 0)
            views = session.w.news.views()
            self.info.extra = {**self.info.extra, "mode": "paper, simulated gateway"}
            outcome.result = rehearsal_result(cerebro, self.info, cash, state, error, views)
            if save and len(outcome.result.record.sessions.time):
                outcome.result.save(self.conf.get("run.out"))
                if report and state == "finished":
                    outcome.result.report()
            self.host.hook.robo_run_finished(result=outcome.result)
        if error is not None:
            raise error if isinstance(error, RoboError) else strategy_failed(error, self.journal.place)
        return outcome
