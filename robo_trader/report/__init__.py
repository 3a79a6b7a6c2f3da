"""The report of a run: one self-contained HTML file that opens offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robo_trader.report.write import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Import `write_report` when it is first asked for."""
    if name == "write_report":
        from robo_trader.report.write import write_report

        return write_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
