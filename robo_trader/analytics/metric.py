"""`Metric`: one number with everything a reader needs in order to trust or doubt it.

A metric never carries NaN or infinity. Where a number is undefined, or the sample is too small to
say it, `value` is None and `reason` says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Unit = Literal["ratio", "percent", "days", "count", "money"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured number.

    `unit` is how to show `value`: ``percent`` is a fraction (0.12 is shown as 12 %), ``days`` are
    calendar days, ``money`` is the account's currency, ``count`` a whole number, ``ratio`` a bare
    number. `method` says in one line how it is computed, `sampling` from what (``daily returns``,
    ``closed trades``), `n` from how many of these. `extra` holds what else belongs to it: rf,
    factor, dates, an interval's ends.
    """

    name: str
    value: float | None
    unit: Unit
    method: str
    sampling: str
    n: int
    reason: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        value = self.value
        if value is not None:
            value = float(value)
            if not math.isfinite(value):
                object.__setattr__(self, "reason", self.reason or f"the calculation gave {value}")
                value = None
            elif value == 0.0:
                value = 0.0  # never -0.0
        object.__setattr__(self, "value", value)
        if value is None and not self.reason:
            raise ValueError(f"metric {self.name}: a value of None needs a reason")
        object.__setattr__(self, "n", int(self.n))
        object.__setattr__(self, "extra", MappingProxyType(dict(self.extra)))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for `run.json`; the name is the key there and is left out."""
        out: dict[str, Any] = {
            "value": self.value,
            "unit": self.unit,
            "n": self.n,
            "sampling": self.sampling,
            "method": self.method,
            "reason": self.reason,
        }
        if self.extra:
            out["extra"] = dict(self.extra)
        return out

    def text(self) -> str:
        """Return the value for people: ``12.3 %``, ``1.52``, ``34 days``, or ``–``."""
        v = self.value
        if v is None:
            return "–"
        if self.unit == "percent":
            return f"{v * 100:,.2f} %"
        if self.unit == "days":
            return f"{v:,.0f} days"
        if self.unit == "count":
            return f"{v:,.0f}" if v == int(v) else f"{v:,.1f}"
        return f"{v:,.2f}"
