"""`SignalSource`: the base class of packs that score bars.

A number is known at the end of its bar and may not depend on a later one; the host checks that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame


class SignalSource(ABC):
    """Scores each bar of an instrument in [-1, 1].

    `also` names further symbols. Each arrives as a keyword argument of `score`: a float array as
    long as `bars` with that symbol's last close known at each bar's end (NaN before its first).
    """

    also: tuple[str, ...] = ()

    @abstractmethod
    def score(self, bars: BarFrame, *args: Any, **also: Any) -> NDArray[np.float64]:
        """Return one number per bar of `bars`: -1 bearish, 1 bullish, NaN for silence.

        Write it as ``score(self, bars)`` or ``score(self, bars, **also)``. Number i may use bars
        0 to i only. The array has the length of `bars`.
        """
