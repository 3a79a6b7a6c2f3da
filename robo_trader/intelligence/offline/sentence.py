"""One sentence weighed: everything the rules found in it, added up.

`weigh` gathers the evidence of words, figures, expectations and templates. `Weighed.balance` is the
signed sum, `Weighed.agreement` how far the pieces point one way. Nothing here raises on any text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from robo_trader.intelligence.offline import templates
from robo_trader.intelligence.offline.changes import changes
from robo_trader.intelligence.offline.clauses import clauses, silent, turn
from robo_trader.intelligence.offline.expectations import as_expected, expectations
from robo_trader.intelligence.offline.figures import comparisons
from robo_trader.intelligence.offline.lexicon import hits
from robo_trader.intelligence.offline.rules import Evidence, evidence
from robo_trader.intelligence.offline.tokens import Text

#: How many days a plain statement matters, where no template says otherwise.
_DAYS = 3.0
#: How many tokens before a comparison with expectations the movement may stand that it outweighs.
_BEFORE_SURPRISE = 10
#: What stands before a "but" counts so much, and what follows it so much.
_CONCEDED, _TURNED = 0.4, 1.5
#: So many tokens behind an event may stand that it did no harm: "the outage did not affect production".
_HARMLESS_REACH = 9


@dataclass(frozen=True, slots=True)
class Weighed:
    """The evidence of one sentence, heaviest first; `days` is how long it should matter."""

    found: tuple[Evidence, ...]
    balance: float
    agreement: float
    days: float
    as_expected: bool

    @property
    def doubtful(self) -> bool:
        """Whether the weightiest reason is only possible: "may", "in talks", "reportedly"."""
        ours = [item for item in self.found if item.value * self.balance > 0]
        return bool(ours) and ours[0].doubtful

    @property
    def because(self) -> tuple[str, ...]:
        """The reasons that point the way of the balance; about the same words the heaviest alone."""
        told: list[Evidence] = []
        for item in self.found:
            if item.value * self.balance > 0 and not any(by.at <= item.at <= by.end for by in told):
                told.append(item)
        return tuple(dict.fromkeys(item.because for item in told))


def weigh(text: Text) -> Weighed:
    """Return what the rules say of a text that is one sentence, or is taken as one."""
    hit = hits(text.words, text.names)
    found: list[Evidence] = []
    for clause in clauses(text.words, hit):
        found += evidence(clause, text.words, text.figures)
    more = [*comparisons(text, hit), *changes(text, hit), *expectations(text, hit)]
    days = _DAYS
    for match in templates.find(text):
        said = f"{match.name}: {match.words}"
        maybe = match.words.startswith(templates.PERHAPS)
        more.append(Evidence(match.score, match.weight, said, match.first, match.name, match.last, maybe))
        days = max(days, match.days)
    unsaid, denials = silent(text.words, hit), [h for h in hit if h.entry.part == "denial"]
    for item in more:
        if item.at not in unsaid:
            harmless = item.value < 0 and any(0 < d.first - item.at <= _HARMLESS_REACH for d in denials)
            found.append(replace(item, weight=item.weight * 0.2) if harmless else item)
    found = _settled(_contrasted(found, turn(text.words)))
    total = sum(item.value * item.weight for item in found)
    size = sum(abs(item.value) * item.weight for item in found)
    return Weighed(tuple(found), total, abs(total) / size if size else 0.0, days, as_expected(text))


def _contrasted(found: list[Evidence], at: int) -> list[Evidence]:
    """Return the evidence with what follows a "but" at token `at` weighing more than what it concedes."""
    if at < 0:
        return found
    return [
        replace(item, weight=item.weight * (_TURNED if max(item.at, item.end) > at else _CONCEDED))
        for item in found
    ]


def _settled(found: list[Evidence]) -> list[Evidence]:
    """Return the evidence, heaviest first, without what a heavier piece about the same words denies.

    "Suspends its share buyback" is no good news for holding the word buyback, and "the loss was down
    from a profit" none for being down. What rose and yet disappointed has disappointed.
    """
    kept: list[Evidence] = []
    for item in sorted(found, key=lambda item: -abs(item.value * item.weight)):
        if not any(_denies(by, item) for by in kept):
            kept.append(item)
    return kept


def _denies(by: Evidence, item: Evidence) -> bool:
    if item.value * by.value >= 0:
        return False
    missed = by.kind == "surprise" and item.kind == "quantity" and 0 < by.at - item.at <= _BEFORE_SURPRISE
    return missed or by.at <= item.at <= by.end
