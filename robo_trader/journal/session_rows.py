"""The rows of a session's life in the journal of its run: start, heartbeats, end, and what the broker says.

A run is lived in sessions: each start of a process is one. All this is written by the same thread as
the rest and costs the session nothing; times are the journal's own, so that nobody can give others.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from robo_trader.journal.values import exact, plain

#: How many seconds lie between two heartbeats of a session.
BEAT_SECONDS = 60.0


class SessionRows(ABC):
    """The part of `RunJournal` that writes sessions; see the module."""

    _lock: threading.RLock

    def __init__(self, charged: dict[str, tuple[Decimal, str]]) -> None:
        self._charged = charged
        self._open: int | None = None

    def session(
        self,
        *,
        account: str = "",
        place: str = "",
        simulated: bool = False,
        library: str = "",
        server_version: int = 0,
        code_hash: str = "",
        risk_hash: str = "",
        send: bool = False,
        contracts: Mapping[str, Mapping[str, Any]] | None = None,
        skew: float = 0.0,
    ) -> int:
        """Begin a session and return its number; an open one of this process ends as ``interrupted``.

        `place` is the gateway's host and port, `contracts` maps each symbol to its ``notation`` and
        ``con_id``, and `skew` says how many seconds the gateway's clock is ahead.
        """
        self._end_open_session("interrupted", "")
        number = self._write(
            "sessions", at=self._now(), account=account, place=place, simulated=simulated, library=library,
            server_version=server_version, code_hash=code_hash, risk_hash=risk_hash, send=send,
            contracts=plain(contracts or {}), skew=float(skew),
        )  # fmt: skip
        self._open = number
        return number

    def end_session(self, number: int, state: str, note: str = "") -> None:
        """End the session `number`; `state` is ``finished``, ``interrupted``, ``failed`` or ``halted``.

        A second end of the open session does nothing.
        """
        with self._lock:
            if self._open != number:
                return
            self._open = None
        self._write("session_ends", session=number, at=self._now(), state=state, note=note)

    def beat(self, session: int, market_time: datetime | None, line: bool) -> None:
        """Write a sign of life of the session `session`; once every `BEAT_SECONDS` is expected.

        `line` says whether the line to the broker is up.
        """
        self._write("heartbeats", session=session, at=self._now(), market_time=market_time, line=line)

    def commission(self, execution: str, amount: float | Decimal, currency: str) -> bool:
        """Write what the execution cost; False when that is known already. The newest counts."""
        cost = (exact(amount), currency)
        with self._lock:
            if self._charged.get(execution) == cost:
                return False
            self._charged[execution] = cost
            self._write("commissions", execution=execution, at=self._now(), amount=cost[0], currency=currency)
        return True

    def reconciled(
        self,
        differences: Sequence[str],
        session: int | None = None,
        accepted: bool = False,
        who: str = "",
        why: str = "",
    ) -> int:
        """Write a comparison with the broker and return its number; no `differences`: they agree.

        `accepted` says that `who` accepted the differences, because of `why`.
        """
        return self._write(
            "reconciliations", session=session, at=self._now(), differences=plain(list(differences)),
            accepted=accepted, who=who, why=why,
        )  # fmt: skip

    def override(self, who: str, reason: str, conditions: Sequence[Any]) -> int:
        """Sign that orders go to real money although `conditions` are not met; return the number."""
        return self._write(
            "overrides", at=self._now(), who=who, reason=reason, conditions=plain(list(conditions))
        )

    def _end_open_session(self, state: str, note: str) -> None:
        if self._open is not None:
            self.end_session(self._open, state, note)

    @abstractmethod
    def _write(self, table: str, **values: Any) -> int:
        """Write a row of this run and return its number."""

    @abstractmethod
    def _now(self) -> datetime:
        """Return the journal's time, which never runs backwards."""
