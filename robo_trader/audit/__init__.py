"""Proofs about a strategy: does it know the future, and does it act only where it says?"""

from robo_trader.audit.lookahead import AuditReport, Finding, audit_lookahead
from robo_trader.audit.wake import Difference, WakeReport, check_wake

__all__ = ["AuditReport", "Difference", "Finding", "WakeReport", "audit_lookahead", "check_wake"]
