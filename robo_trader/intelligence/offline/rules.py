"""Directions and quantities put together: what rose or fell, and whether that is good.

"Costs rose", "the loss narrowed", "cuts its dividend", "no longer expects growth": a direction is
paired with the quantity that it moves, their signs are multiplied, and negation and doubt are
applied. What cannot be paired says little or nothing. Nothing here raises on any text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from robo_trader.intelligence.offline.clauses import Clause
from robo_trader.intelligence.offline.lexicon import Hit
from robo_trader.intelligence.offline.tokens import Figure, bag

_QUANTITIES = ("quantity", "price")
#: Between a direction and what it moves no verb, figure or preposition may stand.
_WALLS = bag(
    ", to from by at on with for after as is are was were has have had will said says that which who and"
    " without no not"
)
#: A quantity behind one of these belongs to something else: "profit before taxes", "sales of pulp".
_SIDE = bag("excluding before after due to including net on by for because from against than in within")
#: Behind one of these another statement begins, so that no subject is looked for before it.
_SUBORDINATE = bag("as after because amid when since once who if")
_BE = bag(
    "is are was were be been remain remains remained ended closed finished opened stood trading % percent"
)
_AFTER_UP = bag(
    "by from on in more slightly sharply about nearly almost over some around approximately year vs versus ,"
    " . compared at to with"
)
_CAUSES = bag("as on after following amid")
_LEADING = bag("on by amid with for")
_LEFT, _RIGHT, _NEAR = 16, 6, 4
#: How far to the right what is moved may stand: "cut its full year dividend", "higher sales".
_REACH = {"act": _RIGHT, "stop": _RIGHT, "shift": _NEAR, "move": 0}
#: Who is counted, and does things, too.
_AGENTS = bag("customers members users subscribers passengers")
_NEGATION_REACH = 5
_DENIAL_REACH = 9


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: its value in [-1, 1], its weight, what it says, and where (tokens `at` to `end`)."""

    value: float
    weight: float
    because: str
    at: int
    kind: str = "tone"
    end: int = -1
    doubtful: bool = False


def evidence(clause: Clause, words: Sequence[str], figures: Sequence[Figure]) -> list[Evidence]:
    """Return what a clause's words say, with negation and doubt applied."""
    found = [*_movements(clause, words, figures), *_tones(clause, words)]
    return [_shaded(item, clause, words) for item in found]


def _movements(clause: Clause, words: Sequence[str], figures: Sequence[Figure]) -> Iterator[Evidence]:
    quantities = [hit for hit in clause.hits if hit.entry.part in _QUANTITIES]
    amounts = {figure.first for figure in figures}
    moved: set[int] = set()
    for hit in clause.hits:
        if hit.entry.part not in ("move", "shift", "act", "stop") or _is_phrasal(
            hit, clause, words, amounts | {q.last for q in quantities}
        ):
            continue
        quantity = _moved(hit, quantities, words, clause)
        direction = hit.entry.polarity
        strength = min(1.0, 0.6 * hit.entry.strength)
        if quantity is None:
            near = any(hit.last < at <= hit.last + 3 for at in amounts)
            if hit.entry.part in ("move", "shift"):
                leads = hit.entry.part == "move" and _leads(hit, quantities, words, clause)
                weight = 0.7 if leads else 0.5 if near else 0.2
                yield Evidence(direction * strength, weight, hit.entry.form, hit.first, "bare")
            continue
        moved.add(quantity.first)
        effect = direction * quantity.entry.polarity
        if hit.entry.part == "stop" and effect > 0:
            continue  # A payment of debt that is skipped is no debt reduced.
        if effect:
            said = f"{quantity.entry.form} {hit.entry.form}"
            weight = quantity.entry.strength
            yield Evidence(effect * strength, weight, said, hit.first, quantity.entry.part)
    for quantity in quantities:
        if quantity.entry.form == "growth" and quantity.first not in moved and _is_growth(quantity, words):
            yield Evidence(0.5, 1.0, "growth", quantity.first, "quantity")


def _leads(hit: Hit, quantities: Sequence[Hit], words: Sequence[str], clause: Clause) -> bool:
    """Tell whether a headline's first verb says how a share moved: "Acme jumps as …", "slides 5% on …"."""
    if hit.first == clause.first or hit.first > 4 or any(q.first < hit.first for q in quantities):
        return False
    rest = words[hit.last + 1 : hit.last + 4]
    return bool(rest) and (rest[0] in _CAUSES or (rest[0][0].isdigit() and rest[1:2] == ["%"]))


def _is_growth(hit: Hit, words: Sequence[str]) -> bool:
    """Tell whether "growth" is a movement that happened: "a 6 % growth in sales", "growth of 6 %"."""
    before, after = words[hit.first - 1 : hit.first], words[hit.last + 1 : hit.last + 2]
    return before in (["%"], ["percent"], ["pct"]) or after in (["in"], ["of"])


def _is_phrasal(hit: Hit, clause: Clause, words: Sequence[str], settled: set[int]) -> bool:
    """Tell whether "up" or "down" is part of another verb ("set up", "team up with").

    Beside the tokens `settled`, an amount behind or a quantity before it, it is none.
    """
    if hit.entry.form not in ("up", "down"):
        return False
    after = words[hit.last + 1] if hit.last < clause.last else ","
    before = words[hit.first - 1] if hit.first > clause.first else ""
    if hit.last + 1 in settled or hit.first - 1 in settled:
        return False
    return not (after in _AFTER_UP and (before == "," or before in _BE))


def _moved(hit: Hit, quantities: Sequence[Hit], words: Sequence[str], clause: Clause) -> Hit | None:
    """Return the quantity that a direction moves, or None."""
    after = words[hit.last + 1] if hit.last < clause.last else ""
    right = [q for q in quantities if q.first > hit.last]
    left = [q for q in quantities if q.last < hit.first and hit.first - q.last <= _LEFT]
    if after in ("in", "of") and right and right[0].first - hit.last <= _RIGHT:
        return _head(right)
    reach = _REACH[hit.entry.part]
    if right and right[0].first - hit.last <= reach and not _walled(words, hit.last + 1, right[0].first):
        return _head(right)
    if hit.entry.part == "shift" and hit.first > clause.first and words[hit.first - 1] in _LEADING:
        return None  # "on higher theft": what is higher is no quantity that we know
    for quantity in reversed(left):
        if _begins_anew(words, quantity.last + 1, hit.first):
            break
        if hit.entry.part in ("act", "stop") and quantity.entry.form in _AGENTS:
            break  # "customers raise doubts"
        before = words[max(clause.first, quantity.first - 2) : quantity.first]
        if not _SIDE.intersection(before) or quantity is left[0]:
            return quantity
    if right and right[0].first - hit.last <= _NEAR and not _begins_anew(words, hit.last + 1, right[0].first):
        return right[0]
    return None


def _head(right: Sequence[Hit]) -> Hit:
    """Return the last of adjoining quantities: in "sales growth forecast" the forecast moves."""
    head = right[0]
    for quantity in right[1:]:
        if quantity.first != head.last + 1:
            break
        head = quantity
    return head


def _begins_anew(words: Sequence[str], first: int, end: int) -> bool:
    """Tell whether "as", "after" and the like begin another statement within the tokens."""
    return any(
        words[i] in _SUBORDINATE
        and words[i + 1] not in ("well", "tax", "taxes", "a", "compared", "of", "expected")
        for i in range(first, end)
    )


def _walled(words: Sequence[str], first: int, end: int) -> bool:
    return any(words[i] in _WALLS or words[i][0].isdigit() for i in range(first, end))


def _tones(clause: Clause, words: Sequence[str]) -> Iterator[Evidence]:
    quantities = [hit for hit in clause.hits if hit.entry.part == "quantity" and hit.entry.polarity > 0]
    for hit in clause.hits:
        if hit.entry.part == "tone":
            # "strong demand", "demand for … was good": praise of what is measured is said in earnest.
            reach = 8 if hit.first and words[hit.first - 1] in _BE else 3
            beside = any(0 < q.first - hit.last <= 2 or 0 < hit.first - q.last <= reach for q in quantities)
            strength = max(hit.entry.strength, 1.0) if beside else hit.entry.strength
            yield Evidence(hit.entry.polarity * 0.6, 0.6 * strength, hit.entry.form, hit.first)


def _shaded(item: Evidence, clause: Clause, words: Sequence[str]) -> Evidence:
    """Turn round what is negated, and weaken what is doubtful or denied."""
    value, weight, because, doubtful = item.value, item.weight, item.because, False
    for hit in clause.hits:
        part = hit.entry.part
        if part == "negator" and 0 < item.at - hit.first <= _NEGATION_REACH + len(hit.entry.form.split()):
            if words[hit.last + 1 : hit.last + 2] == ["only"] or _counts(words, hit):
                continue
            value, because = value * -0.7, f"{hit.entry.form} … {because}"
        elif part == "denial" and _reaches(hit, item.at, words):
            weight, because = weight * 0.2, f"{because} (denied)"
        elif part == "hedge" and hit.first < item.at:
            weight *= hit.entry.strength
            doubtful = doubtful or hit.entry.strength <= 0.5
    return replace(item, value=value, weight=weight, because=because, doubtful=doubtful)


def _reaches(denial: Hit, at: int, words: Sequence[str]) -> bool:
    """Tell whether what stands at `at` is what is denied: near, and in the same statement."""
    first, end = sorted((denial.first, at))
    return end - first <= _DENIAL_REACH and not _begins_anew(words, first, end)


def _counts(words: Sequence[str], hit: Hit) -> bool:
    """Tell whether "no" is the abbreviation of number: "patent no 5,123"."""
    after = words[hit.last + 1 : hit.last + 2]
    return hit.entry.form == "no" and bool(after) and (after[0][0].isdigit() or after[0] == ".")
