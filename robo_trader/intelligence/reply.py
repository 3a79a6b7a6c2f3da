"""What goes to a model and what comes back: `Request`, `Reply`, its `Status`, and `Usage`.

A `Reply` always has a status; a model's failure is a value here, never an exception. Token counts are
what the provider reported; None stands for "nobody said", which the budget charges at the worst case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol


class Status(StrEnum):
    """How a question to a model ended."""

    OK = "ok"
    #: The deadline passed: ours, across retries and dripping bodies.
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    #: No connection, a connection cut, or a server's own error.
    UNAVAILABLE = "unavailable"
    #: The key, the account or its credit was not accepted.
    AUTH = "auth"
    #: The provider says that the request itself is wrong (an unknown model, too long, …).
    REJECTED = "rejected"
    #: The model declined to answer.
    REFUSED = "refused"
    #: What came is no answer: HTML, broken JSON, an empty text, a body without end.
    MALFORMED = "malformed"
    #: JSON, but not what the schema asks for: a missing or extra key, NaN, a label nobody gave.
    SCHEMA = "schema"
    #: Not asked: the budget does not cover it.
    BUDGET = "budget"


#: What another attempt at the same model may mend.
RETRIED = frozenset({Status.RATE_LIMITED, Status.OVERLOADED, Status.UNAVAILABLE, Status.MALFORMED})
#: What says that the provider is in trouble; enough of them in a row open the circuit.
TROUBLE = frozenset({Status.TIMEOUT, Status.RATE_LIMITED, Status.OVERLOADED, Status.UNAVAILABLE, Status.AUTH})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a call was billed for. `input` leaves out what was read from or written to a cache."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, however they are billed."""
        return self.input + self.cache_read + self.cache_write


class Answer(Protocol):
    """What a judged answer must be able to do."""

    def dump(self) -> Any:
        """Return it as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question: instructions, untrusted input, the schema of the answer, and its address.

    `system` is the same for every event of a kind, so that providers can cache it; `user` holds the
    event and differs in every call (its boundary is random), so the address covers `content` instead.
    `check` judges the text of an answer: it returns what it means or raises `BadAnswer`; `load` reads
    again what a judged answer's `dump` was. `user` and `check` are needed for a call only.
    """

    prompt_id: str
    prompt_hash: str
    system: str
    content: str
    schema: Mapping[str, Any]
    schema_hash: str
    load: Callable[[Any], Answer]
    check: Callable[[str], Answer] | None = None
    user: str = ""
    max_tokens: int = 2000
    draw: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one question ended.

    `text` is the model's answer as it came, `answer` what `Request.check` made of it (status OK only).
    `usage` is None where no usage was reported. `billed` tells whether the provider may charge for
    it: False where nothing was sent or an error status came back. `cost` is in dollars over all
    attempts, `seconds` the time that they took.
    """

    status: Status
    text: str = ""
    answer: Answer | None = None
    usage: Usage | None = None
    detail: str = ""
    model: str = ""
    retry_after: float | None = None
    billed: bool = True
    cost: Decimal = Decimal(0)
    attempts: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Tell whether there is an answer."""
        return self.status is Status.OK


class BadAnswer(ValueError):
    """An answer that cannot be used; `status` is MALFORMED (no JSON) or SCHEMA (other JSON)."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def plain(text: str) -> str:
    """Return a stranger's text on one line, without what could command a terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
