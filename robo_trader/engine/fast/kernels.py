"""Backtrader's array methods (`once`) by whole columns, for the classes whose method is known.

A kernel fills ``[start, end)`` of an indicator's line and returns True, or returns False and has
changed nothing; then the indicator's own method runs, and raises what it always raised. Each is
equal to the method beside which it stands in `KERNELS`, to the last bit.
"""

from __future__ import annotations

import functools
import math
import operator
from array import array
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
from backtrader import functions as logic
from backtrader.indicators import basicops, crossover
from backtrader.linebuffer import LineOwnOperation, LinesOperation, PseudoArray, _LineDelay, _LineForward
from numpy.typing import NDArray

from robo_trader.engine.fast import arrays

Kernel = Callable[[Any, int, int], bool]
_LARGEST_INTEGER = 2**53


def column(source: Any, start: int, end: int) -> NDArray[np.float64] | None:
    """Return ``[start, end)`` of a line's array without a copy; None where it does not reach."""
    if type(source) is not array or source.typecode != "d" or start < 0 or len(source) < end:
        return None
    return np.frombuffer(source)[start:end]


def _operand(source: Any, start: int, end: int) -> Any:
    """Return a column, or a number for a constant; None for anything else."""
    if isinstance(source, PseudoArray):
        return _number(source.wrapped)
    return column(source, start, end)


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and abs(value) < _LARGEST_INTEGER:
        return float(value)
    return float(value) if isinstance(value, float) else None


def _fill(line: Any, start: int, end: int, values: Any) -> bool:
    np.frombuffer(line.array)[start:end] = values
    return True


def _clean(source: Any, start: int, end: int, period: int) -> NDArray[np.float64] | None:
    """Return the values under all windows that end in ``[start, end)``, if all are numbers."""
    values = column(source, start - period + 1, end)
    return values if values is not None and np.isfinite(values).all() else None


# -- windows -------------------------------------------------------------------------------------


def _average(ind: Any, start: int, end: int) -> bool:
    period = ind.p.period
    values = _clean(ind.data.array, start, end, period)
    sums = arrays.window_sums(values, period) if values is not None else None
    return sums is not None and _fill(ind.line, start, end, sums / period)


def _operation_n(ind: Any, start: int, end: int) -> bool:
    period, func = ind.p.period, ind.func
    values = _clean(ind.data.array, start, end, period)
    if values is None:
        return False
    if func is math.fsum:
        found = arrays.window_sums(values, period)
    elif func is max or func is min:
        found = arrays.window_extremes(values, period, highest=func is max)
    elif func is any or func is all:
        true = np.concatenate(([0], np.cumsum(values != 0)))
        found = (true[period:] - true[:-period] >= (1 if func is any else period)).astype(np.float64)
    else:
        return False
    return found is not None and _fill(ind.line, start, end, found)


def _weighted(ind: Any, start: int, end: int) -> bool:
    period, weights = ind.p.period, ind.p.weights
    if len(weights) != period or not isinstance(ind.p.coef, int | float):
        return False
    values = _clean(ind.data.array, start, end, period)
    sums = arrays.weighted_sums(values, weights) if values is not None else None
    return sums is not None and _fill(ind.line, start, end, ind.p.coef * sums)


# -- recursions ----------------------------------------------------------------------------------


def _smoothing(ind: Any, start: int, end: int) -> bool:
    alpha, keep = ind.alpha, ind.alpha1
    values = column(ind.data.array, start, end)
    if values is None or not (isinstance(alpha, float | int) and isinstance(keep, float | int)):
        return False
    return _fill(ind.line, start, end, arrays.smoothed(ind.line.array[start - 1], values * alpha, keep))


def _dynamic_smoothing(ind: Any, start: int, end: int) -> bool:
    values, alpha, keep = (column(x.array, start, end) for x in (ind.data, ind.alpha, ind.alpha1))
    if values is None or alpha is None or keep is None:
        return False
    return _fill(ind.line, start, end, arrays.smoothed(ind.line.array[start - 1], values * alpha, keep))


def _accum(ind: Any, start: int, end: int) -> bool:
    values = column(ind.data.array, start, end)
    return values is not None and _fill(
        ind.line, start, end, arrays.running_total(ind.line.array[start - 1], values)
    )


def _non_zero_difference(ind: Any, start: int, end: int) -> bool:
    a, b = column(ind.data0.array, start, end), column(ind.data1.array, start, end)
    if a is None or b is None:
        return False
    return _fill(ind.line, start, end, arrays.last_non_zero(ind.line.array[start - 1], a - b))


# -- operations on lines -------------------------------------------------------------------------

_PAIRS: dict[Any, Callable[[Any, Any], Any]] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.lt: np.less,
    operator.gt: np.greater,
    operator.le: np.less_equal,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
}


def _lines_operation(line: Any, start: int, end: int) -> bool:
    if line.btime:
        return False
    a: Any
    b: Any
    if line.bline:
        a, b = column(line.a.array, start, end), column(line.b.array, start, end)
    elif line.r:
        a, b = _number(line.a), column(line.b.array, start, end)
    else:
        a, b = column(line.a.array, start, end), _number(line.b)
    if a is None or b is None:
        return False
    if line.operation is operator.pow:
        return _power(line, start, end, a, b)
    pair = _PAIRS.get(line.operation)
    if pair is None or (pair is np.true_divide and not np.all(b)):
        return False
    return _fill(line, start, end, pair(a, b))


def _power(line: Any, start: int, end: int, a: Any, b: Any) -> bool:
    """Powers as Python takes them: numpy's may differ in the last bit."""
    bases = repeat(a) if isinstance(a, float) else a.tolist()
    exponents = repeat(b) if isinstance(b, float) else b.tolist()
    try:
        return _fill(line, start, end, array("d", map(operator.pow, bases, exponents)))
    except (TypeError, ValueError, ArithmeticError):
        return False


def _own_operation(line: Any, start: int, end: int) -> bool:
    values = column(line.a.array, start, end)
    if values is None:
        return False
    if line.operation is operator.abs:
        return _fill(line, start, end, np.abs(values))
    if line.operation is operator.neg:
        return _fill(line, start, end, -values)
    return line.operation is bool and _fill(line, start, end, values != 0)


def _delay(line: Any, start: int, end: int) -> bool:
    values = _operand(line.a.array, start + line.ago, end + line.ago)
    return values is not None and _fill(line, start, end, values)


def _forward(line: Any, start: int, end: int) -> bool:
    values = column(line.a.array, start, end)
    if values is None or start < line.ago:
        return False
    return _fill(line, start - line.ago, end - line.ago, values)


# -- logic ---------------------------------------------------------------------------------------


def _div_by_zero(line: Any, start: int, end: int) -> bool:
    a, b = column(line.a.array, start, end), column(line.b.array, start, end)
    zero = _number(line.zero)
    if a is None or b is None or zero is None:
        return False
    return _fill(line, start, end, np.where(b != 0, a / b, zero))


def _div_zero_by_zero(line: Any, start: int, end: int) -> bool:
    a, b = column(line.a.array, start, end), column(line.b.array, start, end)
    if a is None or b is None or not all(isinstance(x, int | float) for x in (line.single, line.dual)):
        return False
    return _fill(line, start, end, np.where(b == 0, np.where(a == 0, line.dual, line.single), a / b))


def _cmp(line: Any, start: int, end: int) -> bool:
    a, b = (_operand(x.array, start, end) for x in (line.a, line.b))
    if a is None or b is None:
        return False
    return _fill(line, start, end, np.greater(a, b).astype(np.float64) - np.less(a, b))


def _cmp_ex(line: Any, start: int, end: int) -> bool:
    a, b, less, equal, more = (
        _operand(x.array, start, end) for x in (line.a, line.b, line.r1, line.r2, line.r3)
    )
    if a is None or b is None or less is None or equal is None or more is None:
        return False
    return _fill(line, start, end, np.where(np.less(a, b), less, np.where(np.greater(a, b), more, equal)))


def _if(line: Any, start: int, end: int) -> bool:
    condition, a, b = (_operand(x.array, start, end) for x in (line.cond, line.a, line.b))
    if condition is None or a is None or b is None:
        return False
    return _fill(line, start, end, np.where(np.not_equal(condition, 0), a, b))


def _multi(line: Any, start: int, end: int) -> bool:
    values = [_operand(x.array, start, end) for x in line.args]
    if not values or any(value is None for value in values):
        return False
    flogic = line.flogic
    if flogic is max or flogic is min:
        # Python keeps the first of equals, and NaN only where it comes first.
        better = np.greater if flogic is max else np.less
        found = values[0]
        for value in values[1:]:
            found = np.where(better(value, found), value, found)
        return _fill(line, start, end, found)
    combine = _truth(flogic, len(values))
    if combine is None:
        return False
    return _fill(line, start, end, functools.reduce(combine, [np.not_equal(value, 0) for value in values]))


def _truth(flogic: Any, count: int) -> Callable[[Any, Any], Any] | None:
    """Return how `flogic` combines truths: all of them, any of them, or None for anything else."""
    if flogic is any or flogic is all:
        return np.logical_or if flogic is any else np.logical_and
    if not isinstance(flogic, functools.partial) or flogic.keywords or count < 2:
        return None
    if flogic.func is not functools.reduce or len(flogic.args) != 1:
        return None
    return {logic._andlogic: np.logical_and, logic._orlogic: np.logical_or}.get(flogic.args[0])


#: What Backtrader's method does, by columns.
KERNELS: dict[Any, Kernel] = {
    basicops.Average.once: _average,
    basicops.OperationN.once: _operation_n,
    basicops.WeightedAverage.once: _weighted,
    basicops.ExponentialSmoothing.once: _smoothing,
    basicops.ExponentialSmoothingDynamic.once: _dynamic_smoothing,
    basicops.Accum.once: _accum,
    crossover.NonZeroDifference.once: _non_zero_difference,
    LinesOperation.once: _lines_operation,
    LineOwnOperation.once: _own_operation,
    _LineDelay.once: _delay,
    _LineForward.once: _forward,
    logic.DivByZero.once: _div_by_zero,
    logic.DivZeroByZero.once: _div_zero_by_zero,
    logic.Cmp.once: _cmp,
    logic.CmpEx.once: _cmp_ex,
    logic.If.once: _if,
    logic.MultiLogic.once: _multi,
}

#: First values that are set apart from the rest: they run as they are, then the kernel goes on.
STARTS = (
    basicops.ExponentialSmoothing.oncestart,
    basicops.Accum.oncestart,
    crossover.NonZeroDifference.oncestart,
)
