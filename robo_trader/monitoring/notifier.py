"""The base class of notifiers: they carry an alert to a person.

A notifier that raises is tried again later; repeats of one alert are sent once. Neither ever
stops a session.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from robo_trader.records import Alert


class Notifier(ABC):
    """Sends alerts over one channel: a chat, a mail, a pager."""

    @abstractmethod
    def send(self, alert: Alert) -> None:
        """Send `alert`; return when it was handed over, raise when it was not.

        Called on a thread of its own, one alert at a time. Give network calls a timeout.
        """
