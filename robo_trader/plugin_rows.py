"""What is known of each plugin: its row in `robo plugins`, and why it is in quarantine.

Nothing here raises.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any, Literal

from robo_trader.errors import RoboError

State = Literal["ok", "quarantined", "disabled"]


@dataclass(slots=True)
class PluginRow:
    """One line of `robo plugins`.

    `offers` maps a kind to names, also for a quarantined plugin that got as far as registering.
    `error` is one line and `fix` the next step; both are empty for a plugin that is ok.
    `traceback` is the whole story of a quarantined one, `distribution` what pip calls it.
    """

    name: str
    version: str
    state: State = "ok"
    offers: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""
    fix: str = ""
    distribution: str = ""
    traceback: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what `robo plugins --json` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "offers": {kind: list(names) for kind, names in self.offers.items()},
            "error": self.error,
            "fix": self.fix,
        }

    def disable(self, why: str, fix: str) -> None:
        """Mark the plugin as left out on purpose."""
        self.state, self.error, self.fix = "disabled", why, fix

    def quarantine(self, why: str, fix: str, story: str = "") -> None:
        """Mark the plugin as broken; a second reason is added to the first."""
        self.error = f"{self.error}; {why}" if self.state == "quarantined" else why
        self.fix = self.fix or fix
        self.traceback = self.traceback or story or why
        self.state = "quarantined"

    def quarantine_for(self, error: BaseException, doing: str = "") -> None:
        """Mark the plugin as broken by `error`, which came while `doing` something."""
        if isinstance(error, RoboError) and error.hint:
            fix = error.hint
        elif isinstance(error, ModuleNotFoundError) and error.name:
            fix = f"install the missing module {error.name!r}, or reinstall {self.distribution or self.name}"
        else:
            fix = f'mend it, or leave it out by [plugins] disabled = ["{self.name}"] in robo.toml'
        story = "".join(traceback.format_exception(error))
        self.quarantine(doing + one_line(error), fix, story)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `robo plugins check` found wrong: what it is about, the problem, the fix."""

    subject: str
    problem: str
    fix: str


def one_line(error: BaseException) -> str:
    """Return an error as one line: its type and text, or a `RoboError`'s message alone."""
    if isinstance(error, RoboError):
        return error.message
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
