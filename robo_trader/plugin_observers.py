"""The relay to the observing hooks of plugins.

Failure contract: nothing here raises but `KeyboardInterrupt`. A plugin's exception becomes one
warning for each plugin and hook, and the remaining plugins are still told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

from robo_trader.hookspecs import OBSERVERS
from robo_trader.plugin_rows import one_line


class Observers:
    """``observers.robo_fill(fill=fill)`` tells every plugin that implements `robo_fill`.

    `scrub` hides secrets in what the warnings quote.
    """

    def __init__(self, manager: pluggy.PluginManager, scrub: Callable[[str], str]) -> None:
        # pluggy calls the last of this list first; that is also where it puts `tryfirst`.
        self._calls = {name: getattr(manager.hook, name).get_hookimpls()[::-1] for name in OBSERVERS}
        self._scrub = scrub
        self._warnings: dict[tuple[str, str], str] = {}

    def wanted(self, name: str) -> bool:
        """Tell whether any plugin implements the hook `name`."""
        return bool(self._calls[name])

    def robo_run_started(self, run: Any) -> None:
        """Tell every plugin that a run begins."""
        self._tell("robo_run_started", run=run)

    def robo_order_decided(self, decision: Any) -> None:
        """Tell every plugin what was decided about an order."""
        self._tell("robo_order_decided", decision=decision)

    def robo_fill(self, fill: Any) -> None:
        """Tell every plugin of an execution."""
        self._tell("robo_fill", fill=fill)

    def robo_run_finished(self, result: Any) -> None:
        """Tell every plugin that a run ended."""
        self._tell("robo_run_finished", result=result)

    def robo_alert(self, alert: Any) -> None:
        """Tell every plugin of an alert."""
        self._tell("robo_alert", alert=alert)

    def take_warnings(self) -> list[str]:
        """Return the warnings since the last call, in order, and forget them."""
        out = list(self._warnings.values())
        self._warnings.clear()
        return out

    def _tell(self, name: str, **arguments: Any) -> None:
        for call in self._calls[name]:
            try:
                call.function(*(arguments[argument] for argument in call.argnames))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer never stops a run
                said = f"plugin {call.plugin_name}: {name} raised {self._scrub(one_line(error))}"
                self._warnings.setdefault((call.plugin_name, name), said)
