"""`trade()`: a strategy on paper or live: configuration → line → history → session → journal.

Failure contract: bad words, bad data, no line and a closed gate raise a `RoboError` before anything is
sent. A strategy that raises ends the session as ``failed`` and raises `StrategyError`; positions and exits
stay at the broker, and the journal is whole. `stop` ends it gracefully: orders and positions stay.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.config import Config, load_config
from robo_trader.errors import RefusedError, UsageError
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.ib.connection import Connection, Line
from robo_trader.ib.store import IBStore, Wanted
from robo_trader.inputs import data_rows, symbol_names
from robo_trader.journal.live import Journal, open_journal
from robo_trader.journal.standing import latest_run, standing
from robo_trader.live.alone import claim, release
from robo_trader.live.books.reconcile import OVER
from robo_trader.live.gate.evidence import is_paper
from robo_trader.live.life import Claim, Life
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.realtime import MarketClock
from robo_trader.live.rehearsal import Rehearsal, rehearse
from robo_trader.plugins import PluginHost, load_host
from robo_trader.records import Alert
from robo_trader.roles import analyst_names
from robo_trader.runs import RunInfo
from robo_trader.state import State, open_state
from robo_trader.strategy_manager import StrategyRef, coerce_params, find_strategy
from robo_trader.versions import installed_versions

__all__ = ["Outcome", "Told", "host_and_port", "trade"]


def trade(
    strategy: str | type | None = None,
    *,
    mode: str = "paper",
    ib: str | None = None,
    client_id: int | None = None,
    account: str | None = None,
    send: bool | None = None,
    fresh: bool = False,
    override: str | None = None,
    retyped: str | None = None,
    who: str = "somebody",
    bars: Any = None,
    symbols: Iterable[str] | str | None = None,
    events: Any = None,
    analyst: str | Iterable[str] | None = None,
    start: Any = None,
    end: Any = None,
    timeframe: str | None = None,
    cash: float | None = None,
    speed: str | None = None,
    risk: str | None = None,
    params: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    config: str | Path | Config | None = None,
    flags: Mapping[str, Any] | None = None,
    command: str | None = None,
    told: Told | None = None,
    stop: threading.Event | None = None,
    save: bool = True,
    report: bool = False,
    gateway: Callable[[EmbeddedGateway], None] | None = None,
) -> Outcome:
    """Trade `strategy` on paper or live until its bars end or `stop` is set.

    Without `ib` (``HOST:PORT``) it is a rehearsal: the simulated gateway is started here and replays
    `bars` and `events` at `speed`; its orders are always sent to it. With `ib` nothing is sent unless `send`
    is given together with the `account` to send to. `mode` ``paper`` refuses accounts that are not
    paper accounts; ``live`` asks for the gate's evidence before it sends real money, or an `override` (a
    reason) with the account's id `retyped`. `fresh` begins a new run where an earlier one could go on. The
    other arguments are those of `backtest`. `gateway` is called with the embedded gateway once it runs.
    """
    given = {
        "run.symbols": symbol_names(symbols), "run.start": _text(start), "run.end": _text(end),
        "run.timeframe": timeframe, "run.cash": cash, "risk.profile": risk, "run.seed": seed,
        "run.out": _text(out), "live.ib": ib, "live.client_id": client_id, "live.account": account,
        "live.speed": speed,
        "intelligence.analyst": ",".join(analyst_names(analyst)) if analyst is not None else None,
        **(flags or {}),
    }  # fmt: skip
    if isinstance(config, Config):
        conf = config
    else:
        chosen = {k: v for k, v in given.items() if v is not None}
        conf = load_config(config, flags=chosen)
        if not conf.get("live.ib") and conf.get("run.start") and conf.get("run.warmup") is None:
            # What a live strategy has of history, its rehearsal has as well.
            conf = load_config(config, flags={**chosen, "run.warmup": conf.get("live.history")})
    if mode not in ("paper", "live"):
        raise UsageError(f"mode {mode!r} is neither paper nor live")
    claim = Claim(account, override, retyped, who)
    with ExitStack() as stack:
        trader = _Trader(stack, conf, mode, told or Told(), stop or threading.Event(), claim)
        return trader.run(
            strategy, bars, events, params or {},
            send=bool(send), fresh=fresh, command=command, save=save, report=report, gateway=gateway,
        )  # fmt: skip


class _Trader:
    """One call of `trade`, part by part; `stack` ends what it opens."""

    def __init__(
        self,
        stack: ExitStack,
        conf: Config,
        mode: str,
        told: Told,
        stop: threading.Event,
        claim: Claim,
    ) -> None:
        self.stack, self.conf, self.mode, self.told, self.stop = stack, conf, mode, told, stop
        self.claim = claim
        self.host: PluginHost = load_host(conf)
        self.rehearsal: Rehearsal | None = None

    def run(
        self,
        strategy: str | type | None,
        bars: Any,
        events: Any,
        params: Mapping[str, Any],
        *,
        send: bool,
        fresh: bool,
        command: str | None,
        save: bool,
        report: bool,
        gateway: Callable[[EmbeddedGateway], None] | None,
    ) -> Outcome:
        """Open everything, live the session, and return how it ended."""
        conf, host, stack = self.conf, self.host, self.stack
        ref = find_strategy(strategy or conf.get("run.strategy") or _nobody(self.mode), host)
        stack.enter_context(host.masking())
        wanted_params = coerce_params(ref.cls, {**host.options("strategy", ref.name), **params})
        self._refuse_broken_plugins()
        place = conf.get("live.ib")
        if self.mode == "live" and not place:
            raise UsageError("'robo live' needs a gateway", hint="say where: --ib 127.0.0.1:4001")
        if not place:
            self.told.progress("reading bars", 0, 0)
            self.rehearsal = rehearse(stack, conf, host, bars, events)
            if gateway is not None:
                gateway(self.rehearsal.gateway)
        store = stack.enter_context(IBStore(self._line(place)))
        account = self._account(store.connection, sending=send)
        market = MarketClock(store.connection)
        began = self._begin(store, market)
        state: State = open_state(conf.resolve("state.url"))
        stack.callback(state.close)
        journal = stack.enter_context(open_journal(conf.resolve("journal.url")))
        earlier = None
        if not fresh and self.rehearsal is None:
            earlier = latest_run(journal, mode=self.mode, strategy=ref.name, account=account)
        info = RunInfo(
            strategy=ref.name,
            command=command or self._command(ref),
            config=conf.resolved(),
            params=wanted_params,
            seed=conf.get("run.seed"),
            versions=installed_versions(),
            warnings=[*ref.notes],
            data=data_rows(self.rehearsal.inputs) if self.rehearsal is not None else (),
        )
        if self.rehearsal is None:
            claim(state, earlier or info.id)
            stack.callback(release, state, earlier or info.id)
        life = Life(
            conf, host, self.told, self.stop, mode=self.mode, ref=ref, params=wanted_params, info=info,
            journal=journal, state=state, account=account, sending=send or self.rehearsal is not None,
            rehearsal=self.rehearsal, claim=self.claim,
        )  # fmt: skip
        if fresh and self.rehearsal is None:
            left = latest_run(journal, mode=self.mode, strategy=ref.name, account=account)
            self._tell_of_orders(journal, left)
        return life.live(store, market, began, earlier, save=save, report=report)

    def _tell_of_orders(self, journal: Journal, left: str | None) -> None:
        """Tell of orders of the run `left`, which a new one does not follow."""
        orders = standing(journal, left).orders if left is not None else ()
        resting = [order.ref for order in orders if order.size and order.status not in OVER]
        if resting:
            alert = Alert(
                time=clock.now(), level="critical", source="session",
                title=f"{len(resting)} orders of the run {left} rest at the broker, and nobody follows them",
                text=f"cancel them there, or go on with that run without --fresh: {', '.join(resting[:5])}",
            )  # fmt: skip
            self.host.hook.robo_alert(alert=alert)
            self.told.alert(alert)

    def _begin(self, store: IBStore, market: MarketClock) -> int:
        """Ask for contracts and history, and subscribe to what comes; return when the history ended."""
        conf = self.conf
        self.told.progress("asking for contracts and bars", 0, 0)
        rehearsal = self.rehearsal
        return store.begin(
            self._feeds() if rehearsal is None else rehearsal.wanted,
            what=conf.get("live.prices"),
            regular=conf.get("live.regular"),
            history=conf.get("live.history"),
            now=market.now if rehearsal is None else lambda: rehearsal.now,
        )

    def _feeds(self) -> list[Wanted]:
        symbols = self.conf.get("run.symbols")
        if not symbols:
            raise UsageError("nobody said what to trade", hint="name symbols: --symbols SPY,AAPL")
        codes = str(self.conf.get("run.timeframe") or "1d").split(",")
        wanted: list[Wanted] = []
        symbols, codes = list(dict.fromkeys(symbols)), list(dict.fromkeys(codes))
        shorts = [symbol.partition("-")[0] for symbol in symbols]
        for symbol, short in zip(symbols, shorts, strict=True):
            if shorts.count(short) > 1:
                short = symbol  # Two months of one future are two instruments.
            for i, code in enumerate(codes):
                name = short if i == 0 else f"{short}@{code}"
                wanted.append(Wanted(name=name, contract=symbol, timeframe=code))
        return wanted

    def _line(self, place: str | None) -> Line:
        conf = self.conf
        wait = conf.duration("live.timeout").total_seconds()
        if self.rehearsal is not None:
            return Line("127.0.0.1", self.rehearsal.gateway.port, 1, timeout=wait, unthrottled=True)
        host, port = host_and_port(str(place))
        return Line(
            host, port, conf.get("live.client_id"), account=conf.get("live.account") or "", timeout=wait
        )

    def _account(self, connection: Connection, *, sending: bool) -> str:
        """Return the account to trade; a paper session takes no other kind."""
        opened = connection.opened
        if self.rehearsal is not None:
            return opened.accounts[0]  # The configured one is of another gateway.
        chosen = str(self.conf.get("live.account") or "")
        if not chosen:
            if len(opened.accounts) > 1:
                raise UsageError(
                    f"this login has {len(opened.accounts)} accounts: {', '.join(opened.accounts)}",
                    hint="say which: --account ID",
                )
            chosen = opened.accounts[0]
        if self.mode == "paper" and not opened.simulated and not is_paper(chosen):
            raise RefusedError(
                f"{chosen} is no paper account, and 'robo paper' trades nothing else",
                hint="log in to the paper account (port 4002 or 7497), or see 'robo live --help'",
            )
        if sending and self.claim.typed != chosen:
            raise RefusedError(
                "orders are sent only to an account that is typed in full, and "
                f"{self.claim.typed or 'none'} was",
                hint=f"add --account {chosen}, or leave out --send for a preview",
            )
        return chosen

    def _refuse_broken_plugins(self) -> None:
        broken = self.host.quarantined()
        if broken:
            listed = "; ".join(f"{row.name}: {row.error} ({row.fix})" for row in broken)
            raise RefusedError(
                f"{len(broken)} plugins are broken: {listed}",
                hint="mend them, or leave them out: [plugins] disabled",
            )

    def _command(self, ref: StrategyRef) -> str:
        words = ["robo", self.mode, ref.name]
        if self.conf.get("live.ib"):
            words += ["--ib", str(self.conf.get("live.ib"))]
        return shlex.join(words)


def host_and_port(text: str) -> tuple[str, int]:
    """Return the two parts of ``HOST:PORT``; a port alone is one of this machine."""
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise UsageError(f"{text!r} is no HOST:PORT", hint="for IB Gateway's paper login: 127.0.0.1:4002")
    return host.strip("[]") or "127.0.0.1", int(port)


def _nobody(mode: str) -> str:
    raise UsageError("nobody said which strategy", hint=f"robo {mode} STRATEGY; 'robo plugins' lists some")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
