"""Proofs about a strategy: does it know the future, act only where it says, and trade live as in a backtest?

The last is in `robo_trader.audit.parity`, which needs the live path and is imported when it is asked for.
"""

from robo_trader.audit.lookahead import AuditReport, Finding, audit_lookahead
from robo_trader.audit.wake import Difference, WakeReport, check_wake

__all__ = ["AuditReport", "Difference", "Finding", "WakeReport", "audit_lookahead", "check_wake"]
