"""What an operator ordered, and what became of one session: the two ends of an emergency stop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Outcome:
    """What became of one session; `steps` are (seconds since the start, what was done).

    `cancelled` and `stays` are order references; `global_cancel` says that every order of the login went.
    `flattened` maps symbols to the signed sizes that were traded. `failed` is what could not be done: orders
    may be open still.
    """

    session: str
    answered: bool = False
    ended_pid: int | None = None
    cancelled: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    global_cancel: bool = False
    flattened: dict[str, float] = field(default_factory=dict)
    failed: str = ""
    #: Seconds from the start to the last cancellation that was sent.
    last_cancel: float | None = None
    steps: list[tuple[float, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was ordered: the halt's mark, and what the operator wants beyond stopping.

    `journal` is the URL of the journal (None: the project's own in `folder`). `rescue` False only waits.
    """

    mark: str
    since: datetime
    who: str
    why: str
    flatten: bool = False
    cancel_all: bool = False
    rescue: bool = True
    journal: str | None = None
    folder: str = ".robo"
