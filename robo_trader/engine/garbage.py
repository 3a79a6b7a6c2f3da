"""Python's cyclic garbage around a run: seldom looked for inside, gone afterwards.

A run makes many objects that stay and few cycles, and the collector would walk over all of them
again and again. A strategy, its feeds and Cerebro are one cycle with every column of numbers in it,
and would otherwise wait for a collection that counts objects and not bytes.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_INSIDE = (50_000, 50, 1000)
_lock = threading.Lock()
_depth = 0


@contextmanager
def tidy() -> Iterator[None]:
    """Collect seldom inside, and at the end what the block left behind.

    What existed before is set aside meanwhile, so that the cost is that of the block's own objects.
    Settings of the collector are put back; where it is off, it stays off and nothing is collected.
    """
    global _depth
    with _lock:
        outermost = _depth == 0 and gc.isenabled() and not gc.get_freeze_count()
        _depth += 1
        before = gc.get_threshold()
        if outermost:
            gc.freeze()
            gc.set_threshold(*_INSIDE)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if outermost:
                gc.set_threshold(*before)
                gc.collect()
                gc.unfreeze()
