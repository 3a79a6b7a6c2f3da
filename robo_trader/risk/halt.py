"""Halt states: who stopped trading, when and why; in the state store and as a plain file.

``ACTIVE``: everything is judged. ``REDUCING``: only what reduces positions passes. ``HALTED``: no
order of a strategy passes; protective exits stay at the broker. The stricter of store and file
holds, so that anybody who can write a file can stop trading: an empty ``.robo/HALT`` will do.

Failure contract: reading never raises. A store or file that cannot be read counts as ``REDUCING``,
and the reason says so. Writing raises a `RoboError` when either cannot be written; both are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from robo_trader import clock
from robo_trader.errors import RunError, UsageError

if TYPE_CHECKING:
    from robo_trader.state import State as StateStore

State = Literal["ACTIVE", "REDUCING", "HALTED"]
ACTIVE: State = "ACTIVE"
REDUCING: State = "REDUCING"
HALTED: State = "HALTED"
STATES: tuple[State, ...] = (ACTIVE, REDUCING, HALTED)

#: The key of the state store, and the file that stops trading too.
KEY = "halt"
FILE = Path(".robo") / "HALT"
#: So many changes are kept beside the present state; the journal has them all.
HISTORY = 50


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt state with who set it, when (aware UTC) and why; `rule` is the one that was breached."""

    state: State = ACTIVE
    who: str = ""
    when: datetime | None = None
    why: str = ""
    flatten: bool = False
    cancel_all: bool = False
    rule: str = ""

    def text(self) -> str:
        """Return the state in one line."""
        if self.state == ACTIVE and self.when is None:
            return "ACTIVE"
        when = f" at {self.when.isoformat(timespec='seconds').replace('+00:00', 'Z')}" if self.when else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.state}, set by {self.who or 'somebody'}{when}{why}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the store."""
        return {
            "state": self.state,
            "who": self.who,
            "when": self.when.isoformat().replace("+00:00", "Z") if self.when else None,
            "why": self.why,
            "flatten": self.flatten,
            "cancel_all": self.cancel_all,
            "rule": self.rule,
        }


class HaltStore:
    """Reads and sets the halt state in `store` and in the file `path`.

    `on_change` is told of every change that this process makes, for the journal and for alerts, and
    of a halt also where the store or the file could not be written.
    """

    def __init__(
        self, store: StateStore | None, path: Path = FILE, on_change: Callable[[Halt], None] | None = None
    ) -> None:
        self._store = store
        self._path = path
        self._on_change = on_change

    def read(self) -> Halt:
        """Return the stricter of the states in the store and in the file."""
        stored, file = self._read_store(), self._read_file()
        return max(stored, file, key=lambda halt: STATES.index(halt.state))

    def set(
        self, state: State, *, who: str, why: str,
        flatten: bool = False, cancel_all: bool = False, rule: str = "",
    ) -> Halt:  # fmt: skip
        """Change the state and return what holds now; a guard's ``REDUCING`` never eases a halt."""
        if not who.strip() or not why.strip():
            raise UsageError("a change of the halt state needs who and why", hint="robo halt --why TEXT")
        halt = Halt(state, who, clock.now(), why, flatten, cancel_all, rule)
        if state == HALTED:
            try:
                self._write_store(halt)
            finally:
                # The file stops trading whatever became of the store.
                try:
                    self._write_file(halt)
                finally:
                    self._tell(halt)
        else:
            self._write_store(halt)
            if state == ACTIVE:
                self._remove_file()
            self._tell(halt)
        return self.read()

    def _tell(self, halt: Halt) -> None:
        if self._on_change is not None:
            self._on_change(halt)

    def history(self) -> list[Halt]:
        """Return the last changes, the newest first."""
        value = self._value()
        return [_halt(item) for item in (value.get("history", []) if value else [])]

    # -- the store ---------------------------------------------------------------------------

    def _value(self) -> dict[str, Any] | None:
        found = self._store.get(KEY) if self._store is not None else None
        return dict(found.value) if found is not None and isinstance(found.value, dict) else None

    def _read_store(self) -> Halt:
        try:
            value = self._value()
            return _halt(value) if value else Halt()
        except Exception as error:  # noqa: BLE001 - a store that fails must not let orders through
            return Halt(REDUCING, "the guard", None, f"the state store cannot be read: {error}")

    def _write_store(self, halt: Halt) -> None:
        if self._store is None:
            return
        news = halt.as_dict()

        def change(before: Any) -> dict[str, Any]:
            old = before if isinstance(before, dict) else {}
            past = [news, *old.get("history", [])][:HISTORY]
            # What the guard found out never eases what an operator ordered.
            keep = halt.state == REDUCING and old.get("state") == HALTED
            return {**(old if keep else news), "history": past}

        self._store.update(KEY, change)

    # -- the file ----------------------------------------------------------------------------

    def _read_file(self) -> Halt:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return Halt()
        except OSError as error:
            return Halt(REDUCING, "the guard", None, f"{self._path} cannot be read: {error.strerror}")
        first, _, rest = text.strip().partition("\n")
        state = REDUCING if first.strip().upper() == REDUCING else HALTED
        why = (rest if first.strip().upper() in STATES else text).strip()
        return Halt(state, f"the file {self._path}", None, " ".join(why.split()))

    def _write_file(self, halt: Halt) -> None:
        when = halt.as_dict()["when"]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = f"{halt.state}\nset by {halt.who} at {when}: {halt.why}\n"
            self._path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise RunError(
                f"the halt file {self._path} cannot be written: {error.strerror}",
                hint="create it by hand, or stop the session's process",
            ) from error

    def _remove_file(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"the halt file {self._path} cannot be removed: {error.strerror}",
                hint="remove it by hand; trading stays halted until then",
            ) from error


def _halt(value: dict[str, Any]) -> Halt:
    state = value.get("state")
    if state not in STATES:
        return Halt(REDUCING, "the guard", None, f"the state store holds {state!r}, which is no halt state")
    when = value.get("when")
    return Halt(
        state,
        str(value.get("who") or ""),
        datetime.fromisoformat(when) if when else None,
        str(value.get("why") or ""),
        bool(value.get("flatten")),
        bool(value.get("cancel_all")),
        str(value.get("rule") or ""),
    )
