"""The roles of a run: what its strategies may ask for with `signal(role, data)`.

A role is ``news`` (the clamped consensus of the chosen analysts), one analyst's name, or a signal
pack's. Each is made when a strategy first asks for it, before its first bar: who asks for none pays
for none, and no model is called inside the bar loop. What cannot be made is a `RoboError` before
anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import MAXYEAR, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from robo_trader.bars.frame import BarFrame
from robo_trader.config import Config
from robo_trader.errors import ConfigError, UsageError, did_you_mean
from robo_trader.events.tape import EventTape
from robo_trader.inputs import Inputs
from robo_trader.intelligence.judging import reason_of
from robo_trader.intelligence.roles import NEWS, OFFLINE
from robo_trader.plugin_targets import LONGEST_LATENCY
from robo_trader.plugins import PluginHost
from robo_trader.records import Event, View
from robo_trader.signals import RoleSignals, SignalTape
from robo_trader.signals.scoring import role_of

if TYPE_CHECKING:
    from robo_trader.intelligence.estimate import Estimate
    from robo_trader.intelligence.reading import Reading

Tell = Callable[[str, int, int], None]
#: Kinds of event that are about companies, so that their text may name some; a rate decision is not.
_COMPANY = frozenset({"news", "earnings", "filing", "social"})


def analyst_names(text: str | Iterable[str]) -> list[str]:
    """Return the names in a comma list or in several, each once."""
    parts = [text] if isinstance(text, str) else list(text)
    names = [name.strip() for part in parts for name in part.split(",")]
    return list(dict.fromkeys(name for name in names if name))


class Roles:
    """Makes the signals of one run and remembers what it took.

    `reading` is what the chosen analysts said, None where nobody asked. Events that are not `legible`
    are kept from analysts that ask a model, which would have to be paid for them.
    """

    def __init__(
        self,
        conf: Config,
        host: PluginHost,
        inputs: Inputs,
        tell: Tell,
        legible: Callable[[Event], bool] | None = None,
    ) -> None:
        self.names = analyst_names(conf.get("intelligence.analyst"))
        self.reading: Reading | None = None
        self._conf = conf
        self._host = host
        self._inputs = inputs
        self._tell = tell
        self._legible = legible
        self._made: dict[str, Any] = {}
        self._alone: dict[str, Reading] = {}
        if not conf.is_default("intelligence.analyst"):
            self._refuse_unknown()

    def tape(self) -> SignalTape:
        """Return the run's tape, with every role that somebody may ask for."""
        chosen = {name: partial(self._by_analyst, name) for name in self._host.names("analyst")}
        packs = {name: partial(self._by_pack, name) for name in self._host.names("signal")}
        return SignalTape(
            roles={NEWS: partial(self._by_analyst, NEWS), **chosen, **packs},
            spoken=NEWS if len(self._inputs.events) else None,
        )

    @property
    def views(self) -> list[View]:
        """Every view that a role of this run was made from, by time, event and analyst."""
        found = [view for reading in self._readings() for view in reading.views]
        return sorted(found, key=lambda v: (v.at, v.event_id, v.analyst))

    @property
    def warnings(self) -> list[str]:
        """What went wrong while analysts read, and from when on none can have known the outcome."""
        said = [text for reading in self._readings() for text in reading.warnings]
        if self._readings() and not any(reading.events_read for reading in self._readings()):
            given = len(self._inputs.events)
            why = (
                f"none of {given} is of their kinds, of the run's time and clean"
                if given
                else "there are none"
            )
            said.append(f"analysts read no events, their signals are silent: {why} (--events FILE)")
        since = self.clean_from
        if since is not None and since.year == MAXYEAR:
            said.append("nobody knows when a model's knowledge ends: all of the run is in-sample")
        elif since is not None:
            said.append(
                f"a model may have known what happened before {since:%Y-%m-%d}: the figures are of "
                "the sessions from then on; those before stand beside them as in-sample"
            )
        return list(dict.fromkeys(said))

    @property
    def notes(self) -> list[str]:
        """What analysts did, in words."""
        said = [text for reading in self._readings() for text in reading.notes]
        if not said and len(self._inputs.events) and not self._conf.is_default("intelligence.analyst"):
            said = ["the strategy asked for no signal: analysts read nothing"]
        return said

    def recorded(self) -> dict[str, Any]:
        """Return what `run.json` says of the analysts that read."""
        rows = []
        for reading in self._readings():
            for name in reading.analysts:
                analyst = self._analyst(name)
                failed = sum(a.failed for a in reading.abstained if a.analyst == name)
                abstained = sum(a.analyst == name for a in reading.abstained)
                provider = self._host.provider("analyst", name)
                clean_from = getattr(analyst, "clean_from", None)
                row = {
                    "name": name,
                    "plugin": provider.name,
                    "version": provider.version,
                    "latency": self._latency(analyst).total_seconds(),
                    "clean_from": clean_from,
                    "views": sum(view.analyst == name for view in reading.views),
                    "abstained": abstained - failed,
                    "failed": failed,
                }
                rows.append({**row, **{key: v for key, v in _described(analyst).items() if key not in row}})
        return {"analysts": rows} if rows else {}

    def estimates(self) -> dict[str, Estimate]:
        """Return what reading the run's events would cost with each chosen analyst; nothing is asked."""
        from robo_trader.intelligence.estimate import asking_nobody, estimate
        from robo_trader.intelligence.reading import readable

        self._refuse_unknown()
        tape = events_in(self._inputs.events, self._inputs.frames)
        found = {}
        for name in self.names:
            with asking_nobody():
                analyst = self._host.create("analyst", name)
            shown = readable(tape, set(analyst.kinds), symbols=self._symbols, link=self._linking())
            found[name] = estimate(shown, analyst)
        return found

    @property
    def clean_from(self) -> Any:
        """When the last of the analysts that read became clean of outcomes; None where all are."""
        readings = self._readings()
        times = [
            getattr(self._analyst(name), "clean_from", None)
            for reading in readings
            for name in reading.analysts
        ]
        return max((time for time in times if time is not None), default=None)

    # -- analysts --------------------------------------------------------------------------------

    def _readings(self) -> list[Reading]:
        return [*([self.reading] if self.reading is not None else []), *self._alone.values()]

    def _refuse_unknown(self) -> None:
        known = self._host.names("analyst")
        if not self.names:
            raise UsageError("no analyst is named", hint=f"there is {', '.join(known)}")
        for name in self.names:
            if name not in known:
                raise UsageError(
                    f"there is no analyst {name!r}",
                    hint=did_you_mean(name, known) or f"there is {', '.join(known) or 'none'}",
                )

    def _by_analyst(self, role: str) -> RoleSignals:
        if role == NEWS or role in self.names:
            if self.reading is None:
                self._refuse_unknown()
                self.reading = self._read(self.names)
            return RoleSignals(self.reading.signals(role), fading=True)
        if role not in self._alone:
            self._alone[role] = self._read([role])
        return RoleSignals(self._alone[role].signals(role), fading=True)

    def _read(self, names: Sequence[str]) -> Reading:
        # Only now: a run that asks for no news is not to wait for what reads it.
        from robo_trader.intelligence.reading import read_tape

        frames = self._inputs.frames
        tape = events_in(self._inputs.events, frames)
        analysts = {name: self._analyst(name) for name in names}
        if self._legible is not None and any(hasattr(one, "estimate") for one in analysts.values()):
            tape = EventTape.of(filter(self._legible, tape))
        offline = self._analyst(OFFLINE) if OFFLINE in self._host.names("analyst") else None
        self._tell(f"{', '.join(names)} reading {len(tape)} events", 0, 0)
        with self._host.masking():
            return read_tape(
                tape,
                analysts,
                symbols=self._symbols,
                latency={name: self._latency(analyst) for name, analyst in analysts.items()},
                offline=offline,
                frames=frames,
                link=self._linking(),
                progress=lambda done, total: self._tell("reading events", done, total),
            )

    @property
    def _symbols(self) -> list[str]:
        return list(dict.fromkeys(frame.instrument.symbol for frame in self._inputs.frames))

    def _linking(self) -> Callable[[Event], tuple[str, ...]]:
        return linking(self._symbols)

    def _analyst(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._host.create("analyst", name)
        return self._made[name]

    def _latency(self, analyst: Any) -> timedelta:
        """Return the setting where somebody set it, else the analyst's own, else the default."""
        own: timedelta | None = getattr(analyst, "latency", None)
        if own is not None and self._conf.is_default("intelligence.latency"):
            return own
        found = self._conf.duration("intelligence.latency")
        if found > LONGEST_LATENCY:
            raise ConfigError(
                f"intelligence.latency is {found.days} days",
                hint=f"at most {LONGEST_LATENCY.days} days can pass from an event to its signal, such as 2s",
            )
        return found

    # -- signal packs ----------------------------------------------------------------------------

    def _by_pack(self, name: str) -> RoleSignals:
        self._tell(f"scoring {name}", 0, 0)
        make = partial(self._host.create, "signal", name)
        with self._host.masking():
            return role_of(name, make, self._inputs.frames, self._inputs.load)


def linking(symbols: Iterable[str]) -> Callable[[Event], tuple[str, ...]]:
    """Return what finds `symbols` in the text of an event that names none."""
    from robo_trader.news.linking import Linker

    linker = Linker(symbols)
    return lambda event: linker.link(event) if event.kind in _COMPANY else ()


def events_in(tape: EventTape, frames: Sequence[BarFrame]) -> EventTape:
    """Return the events that were known from the first bar's start to the last bar's end."""
    from robo_trader.clock import from_ns

    if not len(tape):
        return tape
    first = min(int(frame.start[0]) for frame in frames)
    last = max(int(frame.end[-1]) for frame in frames)
    return tape.between(from_ns(first), from_ns(last))


def _described(analyst: Any) -> Mapping[str, Any]:
    """Return what an analyst wants recorded; a class that only has `read` says nothing."""
    describe = getattr(analyst, "describe", None)
    try:
        found = describe() if callable(describe) else {}
        return dict(found) if isinstance(found, Mapping) else {}
    except Exception as error:  # noqa: BLE001 - a stranger's analyst may raise anything
        return {"described": f"failed: {reason_of(error)}"}
