"""Figures compared across periods: "net profit fell to EUR 3 mn from EUR 5 mn".

Two figures of one unit with a word of comparison between them are compared; what they measure says
whether more is better. A loss against a profit is bad whatever the numbers. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robo_trader.intelligence.offline.lexicon import Hit
from robo_trader.intelligence.offline.rules import Evidence
from robo_trader.intelligence.offline.tokens import Figure, Text, bag

_COMPARING = bag("compared compares comparison versus vs v against")
#: Between two figures these tell that the second was expected; behind the second, that it was.
_EXPECTED = bag(
    "consensus estimate estimates est expected expectations forecast view street expectation analysts"
)
#: What may stand between "from" and a figure that is an earlier value.
_FILLERS = bag(
    "a an the of about around some approximately over under nearly almost just profit loss net operating"
    " pretax positive negative earlier previous year last its level corresponding"
)
#: Without one of these nothing is compared.
_SIGNS = _COMPARING | _EXPECTED | bag("from ( while whereas when")
_MEANWHILE = bag("while whereas when")
_EARLIER = bag("ago earlier previous corresponding before last")
#: Whose estimates are named.
_SOURCES = bag("factset lseg refinitiv ibes bloomberg reuters zacks visible alpha capital iq")
#: What may stand in brackets before an earlier value: "(prior year: 7.1)".
_BRACKETED = bag("prior previous last year ago earlier period quarter py compared with to in : vs v . est")
_SPAN = 16
_LOOK_BACK = 14
_RESULTS = ("profit", "loss", "earnings", "income", "result", "ebit", "eps", "cash flow")


def comparisons(text: Text, hits: Sequence[Hit]) -> Iterator[Evidence]:
    """Yield evidence for each pair of comparable figures."""
    figures, words = text.figures, text.words
    if len(figures) < 2 or _SIGNS.isdisjoint(words):
        return
    quantities = [hit for hit in hits if hit.entry.part in ("quantity", "price")]
    done = -1
    for j, old in enumerate(figures):
        for i in range(j - 1, -1, -1):
            new = figures[i]
            if old.first - new.last > _SPAN or new.first <= done:
                break
            if not _alike(new, old):
                continue
            order = _order(words, new, old)
            if order:
                now, then = (new, old) if order > 0 else (old, new)
                found = _compare(words, quantities, now, then, min(new.first, old.first))
                if found is not None:
                    done = old.last
                    yield found
                break


def _alike(new: Figure, old: Figure) -> bool:
    """Tell whether two figures can be compared; the later of two may leave its unit out."""
    if new.currency and old.currency and new.currency != old.currency:
        return False
    return new.unit == old.unit or (new.unit == "money" and not old.unit)


def _order(words: Sequence[str], first: Figure, second: Figure) -> int:
    """Return 1 when the second figure is the earlier value, -1 when the first is, 0 when neither."""
    between = words[first.last + 1 : second.first]
    if any(
        word in ("?", "!")
        or (word == ";" and _EXPECTED.isdisjoint(between))
        or (
            word == "."
            and i < len(between) - 1
            and between[i - 1 : i] != ["vs"]
            and between[i - 1 : i] != ["est"]
        )
        for i, word in enumerate(between)
    ):
        return 0
    if _EXPECTED.intersection(between) and len(between) <= 8:
        return 1
    if _COMPARING.intersection(between) or (
        between[:1] == ["("]
        and (_BRACKETED | _SOURCES | _EXPECTED).issuperset(between[1:])
        and words[second.last + 1 : second.last + 2] == [")"]
    ):
        return 1
    if _MEANWHILE.intersection(between) and _EARLIER.intersection(
        (*between, *words[second.last + 1 : second.last + 4])
    ):
        return 1
    for i in range(len(between) - 1, -1, -1):
        if between[i] == "from":
            return 1 if all(word in _FILLERS for word in between[i + 1 :]) else 0
    before = words[max(0, first.first - 3) : first.first]
    if "from" in before and "to" in between[-4:] and len(between) <= 10:
        return -1
    return 0


def _compare(
    words: Sequence[str], quantities: Sequence[Hit], now: Figure, then: Figure, at: int
) -> Evidence | None:
    subject = _last_before(quantities, now.first, _LOOK_BACK) or _last_before(quantities, at, _LOOK_BACK)
    if subject is None:
        return None
    name, polarity = subject.entry.form, subject.entry.polarity
    low, high = sorted((now.last, then.first))
    between = words[low + 1 : high] if now.first < then.first else ()
    new, old = now.value, then.value
    if not then.unit:
        old *= now.scale  # "EUR 5.9 mn (7.1)"
    if any(part in name for part in _RESULTS) and (polarity >= 0 or "loss" in name):
        # Signed results: a loss is a negative profit.
        was_loss = "loss" in between
        was_profit = "profit" in between
        is_loss = "loss" in name or "losses" in name
        new = -abs(new) if is_loss else new
        old = -abs(old) if was_loss or (is_loss and not was_profit) else old
        polarity = 1
    elif "negative" in between:
        old = -abs(old)
    if new == old or not polarity:
        return None
    better = (new > old) == (polarity > 0)
    size = abs(new - old) / max(abs(new), abs(old))
    said = f"{name}: {_show(words, now)} against {_show(words, then)}"
    value = (1 if better else -1) * min(1.0, 0.45 + size)
    return Evidence(value, 1.2, said, subject.first, "figures", max(now.last, then.last))


def _last_before(quantities: Sequence[Hit], position: int, reach: int) -> Hit | None:
    found = None
    for hit in quantities:
        if hit.last >= position:
            break
        if position - hit.last <= reach and (hit.entry.polarity or found is None):
            found = hit
    return found


def _show(words: Sequence[str], figure: Figure) -> str:
    return " ".join(words[figure.first : figure.last + 1])
