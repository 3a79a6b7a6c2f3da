"""What is wrong with the gateway just now: everything that the control port can set.

`set` changes any field of `Faults` by its name; a value of the wrong kind is refused with the right one.
null puts a field back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from robo_trader.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Partial:
    """Fills come in `slices`, `delay` seconds apart; after `stop_after` of them the rest stays working."""

    slices: int = 2
    delay: float = 0.0
    stop_after: int | None = None


@dataclass(slots=True)
class Faults:
    """The settable faults. Seconds are wall time; lists hold contract, message or client ids.

    `dup_exec` sends each execution twice, `exec_first` before its order's status; `dup_status` each status
    twice, `reorder_status` an order's statuses of one moment backwards, `hold_status` keeps statuses back
    until it is set to false, or for so many seconds; `no_filled_status` leaves out Filled, `no_status`
    every one. `no_comm` and `comm_delay` concern commissions, `fill_delay` comes before each fill.
    `halted` contracts do not trade. `nosub` has no market-data subscription, `delayed` serves delayed
    data. `hist_pacing` true answers every historical request with a pacing violation, ``"rules"``
    applies the published rules. `max_rate` is messages a second. `mute` keeps messages of these ids back
    for good. `taken` are client ids in use elsewhere. `resets_ids` lets nextValidId start at 1.
    """

    partial: Partial | None = None
    dup_exec: bool = False
    exec_first: bool = False
    dup_status: bool = False
    reorder_status: bool = False
    no_filled_status: bool = False
    no_status: bool = False
    no_comm: bool = False
    comm_delay: float = 0.0
    fill_delay: float = 0.0
    hold_status: bool | float = False
    halted: list[int] = field(default_factory=list)
    readonly: bool = False
    delayed: bool = False
    nosub: bool = False
    hist_pacing: bool | str = False
    max_rate: float | None = None
    mute: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    resets_ids: bool = False

    def change(self, given: dict[str, Any]) -> None:
        """Set the fields that `given` names; raise `UsageError` and change nothing for a bad one."""
        names = {f.name for f in fields(self)}
        checked = {}
        for name, value in given.items():
            if name not in names:
                raise UsageError(f"there is nothing called {name!r} to set", hint=did_you_mean(name, names))
            checked[name] = _checked(name, value)
        for name, value in checked.items():
            setattr(self, name, value)


_FLAG_NAMES = """
dup_exec exec_first dup_status reorder_status no_filled_status no_status no_comm readonly delayed nosub
resets_ids
"""
_FLAGS = frozenset(_FLAG_NAMES.split())
_LISTS = frozenset({"halted", "mute", "taken"})


def _checked(name: str, value: Any) -> Any:
    if name == "partial":
        return None if value is None else _partial(value)
    if name in _FLAGS:
        return _flag(name, value)
    if name in _LISTS:
        if value is None:
            return []
        if not isinstance(value, list) or not all(_whole(item) for item in value):
            raise UsageError(f"{name} must be a list of ids, not {value!r}")
        return list(value)
    if name == "hist_pacing":
        return value if value == "rules" else _flag(name, value)
    if name == "hold_status" and isinstance(value, bool):
        return value
    if name == "max_rate":
        return None if value is None else _number(name, value, 1, 1e9)
    return _seconds(name, value)


def _partial(value: Any) -> Partial:
    if not isinstance(value, dict) or set(value) - {"slices", "delay", "stop_after"}:
        raise UsageError(f"partial must hold slices, delay and stop_after, or be null, not {value!r}")
    slices, stop = value.get("slices", 2), value.get("stop_after")
    if not _whole(slices) or not 1 <= slices <= 1000 or not (stop is None or (_whole(stop) and stop >= 0)):
        raise UsageError(
            f"slices must be a whole number from 1 to 1000, stop_after one from 0 up, not {value!r}"
        )
    return Partial(slices, _seconds("delay", value.get("delay", 0)), stop)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool) and value not in (0, 1, None):
        raise UsageError(f"{name} must be true or false, not {value!r}")
    return bool(value)


def _seconds(name: str, value: Any) -> float:
    return 0.0 if value is None else _number(name, value, 0, 86_400)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{name} must be a number from {low:g} to {high:.0f}, not {value!r}")
    return float(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
