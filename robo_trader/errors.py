"""Every error that a user of robo_trader can meet.

    RoboError                    exit code 1
    ├── UsageError               exit code 2: wrong words on the command line or in a call
    │   └── ConfigError          a key, value or file of the configuration
    ├── RefusedError             exit code 3: a gate or limit said no
    ├── DataError                bars that cannot be trusted
    ├── EventError               an events file or source
    ├── PluginError              a plugin that cannot be loaded or breaks the host's contract
    ├── StrategyError            a strategy that cannot be found, loaded or run
    ├── RunError                 a run directory that cannot be written or read
    ├── ModelError               a language model's configuration, prompt or reply store
    ├── JournalError             a journal that cannot be opened, read or written
    ├── StateError               a state store that cannot be reached, read or written
    ├── GatewayError             the simulated gateway: a port in use, a message that cannot be read
    └── BrokerError              the line to a broker: no connection, or a request that it refused

Each message names the thing, the value seen and, in `hint`, what to do next.
The command line prints ``message`` and ``hint`` on one line and never a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable


class RoboError(Exception):
    """An error for people: what happened, with the value seen, and what to do next.

    `message` is one sentence; `hint` is the next step, or empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(RoboError):
    """Wrong usage: the call itself has to change."""

    exit_code = 2


class ConfigError(UsageError):
    """An unknown key, a value of the wrong type or an unreadable `robo.toml`."""


class RefusedError(RoboError):
    """A gate or a limit refused; nothing was sent or written."""

    exit_code = 3


class DataError(RoboError):
    """Bars that cannot be used as they are; names file, row and value."""


class EventError(RoboError):
    """An events file or event that breaks the rules of time; names the line."""


class PluginError(RoboError):
    """A plugin that cannot be imported or does not keep the host's contract."""


class StrategyError(RoboError):
    """A strategy that cannot be found or loaded, or that raised while running."""


class RunError(RoboError):
    """A run directory that cannot be written, read or found."""


class ModelError(RoboError):
    """A model that cannot be asked as configured, or a reply store or prompt that cannot be used.

    What a model answers, or fails to answer, never raises: that is an `Abstain`.
    """


class JournalError(RoboError):
    """A journal that cannot be opened, read or written; what was committed before is safe."""


class StateError(RoboError):
    """A state store that cannot be reached, read or written; nothing was changed."""


class GatewayError(RoboError):
    """The simulated gateway cannot listen, or read what a client sent."""


class BrokerError(RoboError):
    """The broker cannot be reached, or refused what was asked; no order was sent because of it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the nearest of `known`, or an empty string."""
    import difflib  # only where something went wrong

    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""
