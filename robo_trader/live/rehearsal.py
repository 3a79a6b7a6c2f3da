"""A rehearsal: the simulated gateway in this process, on the bars that a backtest would read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_trader.bars.frame import BarFrame
from robo_trader.config import Config
from robo_trader.errors import UsageError
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings, Limits
from robo_trader.ib.store import Wanted
from robo_trader.inputs import Inputs, read_inputs
from robo_trader.plugins import PluginHost

#: The gateway's account. What it holds has no bounds; the strategy's capital does.
ACCOUNT = "DU1234567"
_PLENTY = 1e9
UNTRADED = ("OPT", "FOP", "BAG")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The gateway, what it replays, and the feeds that a strategy gets."""

    gateway: EmbeddedGateway
    inputs: Inputs
    wanted: Sequence[Wanted]

    @property
    def now(self) -> int:
        """Market time, ns UTC."""
        return int(self.gateway.server.gateway.clock.now())


def rehearse(stack: ExitStack, conf: Config, host: PluginHost, bars: Any, events: Any) -> Rehearsal:
    """Start a gateway in lockstep; `stack` ends it.

    It fills as a backtest does, at the configuration's commission and slippage, and asks for no margin.
    """
    inputs = read_inputs(conf, host, bars, events, False)
    first = first_session(inputs.frames, conf.get("run.start"), conf.get("live.history"))
    # What is said after the last bar of history is heard, overnight as well.
    begin = max(int(f.end[np.searchsorted(f.session, first) - 1]) for f in inputs.frames)
    settings = GatewaySettings(
        port=0, control_port=0, account=ACCOUNT, cash=_PLENTY, matching="bars", speed="lockstep",
        commission=conf.get("run.commission"), slippage=conf.get("run.slippage"), margin=False,
        ticks=False, warn_closed=False, limits=Limits(message_rate=1e9),
    )  # fmt: skip
    gateway = stack.enter_context(
        EmbeddedGateway(lambda: replay_gateway(settings, _history(inputs), None, begin))
    )
    wanted = [
        Wanted(
            name=frame.symbol,
            contract=frame.instrument.notation,
            timeframe=frame.timeframe,
            instrument=frame.instrument,
        )
        for frame in inputs.frames
        if frame.instrument.sec_type not in UNTRADED
    ]
    return Rehearsal(gateway, inputs, wanted)


def _history(inputs: Inputs) -> list[BarFrame]:
    """Return the bars that the gateway plays: of several time frames it makes the longer ones itself.

    So it needs all bars of the shortest, not as many as that one's own history.
    """
    frames = list(inputs.frames)
    if len({frame.timeframe for frame in frames}) > 1:
        for i, frame in enumerate(frames):
            if "@" not in frame.symbol:
                whole = inputs.load(frame.symbol)
                if whole.timeframe == frame.timeframe and len(whole) > len(frame):
                    frames[i] = whole
    return frames


def first_session(frames: Sequence[BarFrame], begin: str | None, history: int) -> np.datetime64:
    """Return the first session to play: as told, else the first with enough history before it.

    Without so much history it is the session after a third of the bars.
    """
    if begin is not None:
        first = np.datetime64(begin, "D")
    else:
        firsts = []
        for frame in frames:
            i = min(history, len(frame) // 3)
            later = frame.session[frame.session > frame.session[max(0, i - 1)]]
            if not len(later):
                raise UsageError(
                    f"{frame.symbol}: its bars are of one session; one is needed before the first to play",
                    hint="give more bars",
                )
            firsts.append(later[0])
        first = max(firsts)
    for frame in frames:
        if not (frame.session < first).any():
            raise UsageError(
                f"{frame.symbol} has no bars before {first}, and a strategy needs some to begin with",
                hint=f"its first session is {frame.session[0]}: begin later with --start",
            )
    return first
