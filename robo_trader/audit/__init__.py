"""Proofs about a strategy: does it know the future?"""

from robo_trader.audit.lookahead import AuditReport, Finding, audit_lookahead

__all__ = ["AuditReport", "Finding", "audit_lookahead"]
