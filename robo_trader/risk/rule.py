"""The base class of risk rules: each looks at one intended order and allows, shrinks or vetoes it.

Rules run in front of every broker. One that raises counts as a veto: an order that nobody could
judge is not sent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from robo_trader.errors import UsageError
from robo_trader.records import Answer, Decision, Intent

if TYPE_CHECKING:
    from robo_trader.risk.view import View

#: How many orders of one moment a rule may be passed over for.
BATCH = 100


class RiskRule(ABC):
    """Judges orders one at a time; every rule is asked, whatever the others answered.

    A rule sees only what would open or enlarge a position: what reduces one passes without being
    asked about, and of a reversal a rule sees the opening part. The name under which a rule was
    registered is put in front of its reasons. `brake` marks rules that stop all openings while
    their limit is broken; when live, such a breach sets the halt state ``REDUCING``.
    """

    brake = False

    @abstractmethod
    def check(self, intent: Intent, book: View) -> Decision | None:
        """Return `allow`, `resize` or `veto` of `intent`; None is short for `allow`.

        `book` is the account as it is known now, with working orders counted as if filled.
        """

    def unasked(self, book: View) -> float:
        """Return how much money of new exposure this rule would let pass now without looking.

        The guard then asks it only about what goes beyond, for at most `BATCH` orders of one moment.
        0 (the default) says that it wants to see every order; infinity that nothing is in the way.
        """
        return 0.0

    def sent(self, intent: Intent, book: View) -> None:  # noqa: B027 - most rules remember nothing
        """Learn that `intent`, as it was asked for, goes to the broker; most rules need not know."""

    def label(self) -> str:
        """Return the limit in a few words for summaries, such as ``10 %``; may be empty."""
        return ""

    @staticmethod
    def allow(intent: Intent) -> Decision:
        """Return the decision to send `intent` as it is."""
        return Decision(intent=intent)

    @staticmethod
    def resize(
        intent: Intent, size: float, reason: str, *,
        limit: float | None = None, seen: float | None = None, **numbers: Any,
    ) -> Decision:  # fmt: skip
        """Return the decision to send `size` instead; `size` lies above 0 and below the intended.

        Anything else raises `UsageError`: a rule may shrink an order and never grow it. `limit`,
        what was `seen` against it and further `numbers` (JSON values) go into the journal.
        """
        if not 0 < size < intent.size:
            raise UsageError(
                f"a rule cannot resize an order of {intent.size:g} to {size:g}",
                hint="use allow() for the whole and veto() for nothing",
            )
        answer = Answer(
            rule="", action="resize", reason=reason, size=size, limit=limit, seen=seen, numbers=numbers
        )
        return Decision(intent=intent, action="resize", size=size, reasons=(reason,), answers=(answer,))

    @staticmethod
    def veto(
        intent: Intent, reason: str, *, limit: float | None = None, seen: float | None = None, **numbers: Any
    ) -> Decision:
        """Return the decision not to send `intent`; `reason` names the limit and the numbers.

        `limit`, what was `seen` against it and further `numbers` go into the journal.
        """
        answer = Answer(
            rule="", action="veto", reason=reason, size=0.0, limit=limit, seen=seen, numbers=numbers
        )
        return Decision(intent=intent, action="veto", size=0.0, reasons=(reason,), answers=(answer,))


# What the guard asks about rules that strangers wrote; they need not derive from `RiskRule`.


def overrides(rule: RiskRule, method: str) -> bool:
    """Tell whether `rule` has a `method` of its own."""
    plain = getattr(RiskRule, method)
    return getattr(type(rule), method, plain) is not plain


def label_of(rule: RiskRule) -> str:
    """Return the limit of `rule` as text, or what it raised instead."""
    try:
        return str(rule.label() or "") if hasattr(rule, "label") else ""
    except Exception as error:  # noqa: BLE001 - a run that is over is not lost for it
        return raised(error)


def raised(error: Exception) -> str:
    """Return what a rule raised, as its reason."""
    return f"the rule raised {type(error).__name__}: {error}"
