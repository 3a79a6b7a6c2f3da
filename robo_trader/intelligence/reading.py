"""Let analysts read events, and turn what they say into views and signals.

An analyst is a stranger: one that raises, takes too long or answers nonsense has abstained, with the
reason; it is counted and warned of once, and the others go on. Only a `ModelError` passes: what a
replay lacks, or a reply store that cannot be used, is for a person to mend. A view of a symbol that
the event is not about, or that is not among the allowed ones, is dropped. Suspicious text
(`events.hygiene`) reaches no analyst. The same tape and the same answers give the same result to the
bit.

A plain ``read`` cannot be interrupted; the deadline holds for ``async`` ones.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from robo_trader.clock import to_ns
from robo_trader.errors import ModelError, UsageError
from robo_trader.intelligence.judging import (
    Abstention,
    Answers,
    Failed,
    Linking,
    doubtful,
    doubts_of,
    handed,
    in_sample,
    is_disputed,
    judged,
    keep,
    known_at,
    plain,
    reason_of,
    wants_past,
)
from robo_trader.intelligence.past import Past
from robo_trader.intelligence.roles import NEWS, OFFLINE
from robo_trader.records import Abstain, Event, Signal, View
from robo_trader.signals.clamp import Opinion, opinion_of
from robo_trader.signals.stream import corrections, signals_of

if TYPE_CHECKING:
    from robo_trader.bars.frame import BarFrame
    from robo_trader.events.tape import EventTape

_TIMEOUT = timedelta(seconds=120)
_AT_ONCE = 8

T = TypeVar("T")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What analysts said of a tape.

    `views` are by time, event and analyst, each with its `event_id`, `analyst`, `at` and
    `in_sample`. `events_read` counts (event, analyst) pairs. `warnings` tell of what failed, `notes`
    of the rest.
    """

    analysts: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    abstained: tuple[Abstention, ...] = ()
    events_read: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    opinions: tuple[Opinion, ...] = field(default=(), repr=False)
    withdrawn: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)

    def signals(self, role: str = NEWS) -> tuple[Signal, ...]:
        """Return the signals of `role`: the consensus ("news"), or one analyst by its name."""
        own = [o for o in self.opinions if role == NEWS or o.view.analyst == role]
        over: dict[str, int] = {}
        for name, ends in self.withdrawn.items():
            if role in (NEWS, name):
                for event, end in ends.items():
                    over[event] = min(end, over.get(event, end))
        return signals_of(own, name=role, symbols=self.symbols, withdrawn=over)


def read_tape(
    tape: EventTape,
    analysts: Mapping[str, Any],
    *,
    symbols: Iterable[str],
    latency: timedelta | Mapping[str, timedelta] = timedelta(0),
    offline: Any = None,
    frames: Sequence[BarFrame] = (),
    link: Linking | None = None,
    timeout: timedelta = _TIMEOUT,
    progress: Progress | None = None,
) -> Reading:
    """Let `analysts` (by name) read `tape` and return what they said.

    `symbols` are the only ones that a view may be about. `latency` is what passes between an
    event's `known_at` and its signals, for all or for each analyst. `offline` is the analyst whose
    disagreement bounds the others; None where there is none, or where it is among them. `link`
    finds the symbols of an event that names none. `frames` are the bars that an analyst may ask for.
    `progress` is called with events read and events in all.
    """
    lag = {name: latency if isinstance(latency, timedelta) else latency[name] for name in analysts}
    for name, passes in lag.items():
        if passes < timedelta(0):
            raise UsageError(f"the latency of {name} is {passes}: no signal comes before its event")
    allowed = tuple(dict.fromkeys(symbols))
    cleaned = _cleaned(tape, link, set(allowed))
    shown = _plain_tape(tape, cleaned)
    found: dict[str, Answers] = {}
    total = len(cleaned.readable) * len(analysts)
    for number, (name, analyst) in enumerate(analysts.items()):
        base = number * len(cleaned.readable)
        tell = None if progress is None else _shifted(progress, base, total)
        found[name] = _run(_read_all(name, analyst, cleaned, shown, frames, allowed, timeout, tell))
    views = [
        replace(
            view,
            at=known_at(cleaned.events[view.event_id or ""]) + lag[name],
            in_sample=in_sample(analysts[name], cleaned.events[view.event_id or ""]),
        )
        for name, answers in found.items()
        for view in answers.views
    ]
    views.sort(key=lambda v: (v.at, v.event_id, v.analyst))
    judge = analysts.get(OFFLINE, offline)
    doubts = _doubts(views, found.get(OFFLINE), judge, cleaned, shown, frames, allowed, timeout)
    opinions = tuple(
        opinion_of(view, cleaned.events[view.event_id or ""], disputed=is_disputed(view, doubts))
        for view in views
    )
    order = {name: i for i, name in enumerate(analysts)}
    abstained = [a for answers in found.values() for a in answers.abstained]
    place = {id: i for i, id in enumerate(cleaned.events)}
    abstained.sort(key=lambda a: (place[a.event_id], order[a.analyst]))
    warnings, notes = _told(found, cleaned, len(tape))
    return Reading(
        analysts=tuple(analysts),
        views=tuple(views),
        abstained=tuple(abstained),
        events_read=sum(answers.read for answers in found.values()),
        warnings=tuple(warnings),
        notes=tuple(notes),
        symbols=allowed,
        opinions=opinions,
        withdrawn={name: _withdrawn(tape, lag[name]) for name in analysts},
    )


# -- events ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cleaned:
    """The tape's events with plain text, by id; `readable` are those that may be read."""

    events: dict[str, Event]
    readable: list[Event]
    suspicious: Counter[str]
    flagged: int = 0


def readable(
    tape: EventTape, kinds: Collection[str], *, symbols: Iterable[str] = (), link: Linking | None = None
) -> list[Event]:
    """Return what an analyst of `kinds` would be shown of `tape`: plain, linked, nothing suspicious."""
    return [event for event in _cleaned(tape, link, set(symbols)).readable if event.kind in kinds]


def _cleaned(tape: EventTape, link: Linking | None, allowed: set[str]) -> _Cleaned:
    events: dict[str, Event] = {}
    readable: list[Event] = []
    why: Counter[str] = Counter()
    flagged = 0
    for original in tape:
        event, bad = plain(original, link, allowed)
        events[event.id or ""] = event
        if bad:
            flagged += 1
            why.update(bad)
        else:
            readable.append(event)
    return _Cleaned(events, readable, why, flagged)


def _plain_tape(tape: EventTape, cleaned: _Cleaned) -> EventTape:
    """Return what an analyst may look up: the tape's readable events, as it is shown them."""
    shown = {event.id for event in cleaned.readable}
    mask = np.array([event.id in shown for event in tape], dtype=bool)
    return replace(
        tape, events=tuple(cleaned.readable), known_ns=tape.known_ns[mask], inferred=tape.inferred[mask]
    )


def _withdrawn(tape: EventTape, lag: timedelta) -> dict[str, int]:
    shift = int(lag.total_seconds() * 1_000_000) * 1000
    at = {event.id or "": known + shift for event, known in zip(tape, tape.known_ns.tolist(), strict=True)}
    return corrections(tape.events, at)


# -- reading -----------------------------------------------------------------------------------------


async def _read_all(
    name: str,
    analyst: Any,
    cleaned: _Cleaned,
    tape: EventTape,
    frames: Sequence[BarFrame],
    allowed: Sequence[str],
    timeout: timedelta,
    progress: Progress | None,
) -> Answers:
    """Show `analyst` every event of its kinds and keep what it answers, in the order of the tape."""
    kinds = set(analyst.kinds)
    with_past = wants_past(analyst)
    mine = [event for event in cleaned.readable if event.kind in kinds]
    said: list[Sequence[View] | Abstain | Failed | None] = [None] * len(mine)
    gate = asyncio.Semaphore(_AT_ONCE)
    tasks: set[asyncio.Task[None]] = set()
    broken: list[ModelError] = []

    async def wait_for(number: int, answer: Any) -> None:
        try:
            said[number] = judged(await asyncio.wait_for(answer, timeout.total_seconds()))
        except ModelError as error:
            broken.append(error)
        except TimeoutError as error:
            said[number] = Failed(str(error) or f"no answer within {timeout.total_seconds():g} s")
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises
            said[number] = Failed(reason_of(error))
        finally:
            gate.release()

    for number, event in enumerate(mine):
        past = (Past(tape, frames, to_ns(known_at(event))),) if with_past else ()
        try:
            answer = analyst.read(handed(event), *past)
        except ModelError:
            raise  # what a replay lacks, or a store that cannot be used, is for a person to mend
        except (Exception, SystemExit) as error:  # noqa: BLE001
            said[number] = Failed(reason_of(error))
            continue
        if inspect.isawaitable(answer):
            await gate.acquire()
            if broken:
                answer.close() if inspect.iscoroutine(answer) else None
                break
            task = asyncio.ensure_future(wait_for(number, answer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            said[number] = judged(answer)
        if progress is not None and number % 256 == 255:
            progress(number + 1, len(mine))
    await asyncio.gather(*tasks)
    if broken:
        raise broken[0]
    out = Answers(read=len(mine))
    for event, answer in zip(mine, said, strict=True):
        keep(out, name, event, answer, allowed)
    return out


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, in a thread of its own where a loop is running here (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    box: list[Any] = []
    context = contextvars.copy_context()

    def inside() -> None:
        try:
            box.append((asyncio.run(work), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            box.append((None, error))

    thread = threading.Thread(target=context.run, args=(inside,))
    thread.start()
    thread.join()
    value, error = box[0]
    if error is not None:
        raise error
    result: T = value
    return result


def _shifted(progress: Progress, base: int, total: int) -> Progress:
    return lambda done, _: progress(base + done, total)


# -- the offline analyst's doubts ------------------------------------------------------------------


def _doubts(
    views: Sequence[View], own: Answers | None, judge: Any, cleaned: _Cleaned, tape: EventTape,
    frames: Sequence[BarFrame], allowed: Sequence[str], timeout: timedelta,
) -> dict[tuple[str, str], float]:  # fmt: skip
    """Return what the offline analyst thinks of the events that others have a view of."""
    others = {v.event_id for v in views if v.analyst != OFFLINE and v.score}
    if not others or judge is None:
        return {}
    known = [] if own is None else list(own.views)
    some = [e for e in cleaned.readable if e.id in others and (own is None or not e.symbols)]
    if some:
        asked = replace(cleaned, readable=[doubtful(event) for event in some])
        known += _run(_read_all(OFFLINE, judge, asked, tape, frames, allowed, timeout, None)).views
    return doubts_of(known)


# -- words -------------------------------------------------------------------------------------------


def _told(found: Mapping[str, Answers], cleaned: _Cleaned, events: int) -> tuple[list[str], list[str]]:
    warnings, notes = [], []
    if cleaned.flagged:
        flags = ", ".join(f"{flag} {n}" for flag, n in sorted(cleaned.suspicious.items()))
        warnings.append(
            f"{cleaned.flagged} of {events} events have suspicious text and move nothing ({flags})"
        )
    for name, answers in found.items():
        failed = [a for a in answers.abstained if a.failed]
        if failed:
            warnings.append(
                f"analyst {name} failed on {len(failed)} of {answers.read} events, which count as "
                f"abstentions; the first: {failed[0].reason}"
            )
        honest = len(answers.abstained) - len(failed)
        said = f"analyst {name} read {answers.read} events, gave {len(answers.views)} views"
        notes.append(said + (f" and abstained on {honest}" if honest else ""))
        if answers.unlinked:
            notes.append(f"analyst {name}: {answers.unlinked} views of symbols that their events do not name")
    return warnings, notes
