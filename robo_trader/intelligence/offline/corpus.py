"""The sentences that the classifier learns from: phrasings of our own, with slots filled by a seed.

`data/phrasings.txt` holds sentences with slots, `data/slots.toml` what fills them. The same files and
seed give the same sentences on every machine. A slot that does not exist is a `KeyError` that names it.
"""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass

from robo_trader.intelligence.offline.lexicon import DATA

_SLOT = re.compile(r"\{(\w+)(!?)\}")
_SECTION = re.compile(r"\[(\w+) (\w+)\]")
#: Slots with names of companies and places: the classifier must not learn from them.
NAMES = ("co", "co2", "city", "country", "bank", "month")
EACH = 5
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled sentence; `phrasing` is the number of the line that it was made from."""

    text: str
    label: str
    register: str
    phrasing: int


def slots() -> dict[str, list[str]]:
    """Return the fillers of each slot that is not a number."""
    return tomllib.loads((DATA / "slots.toml").read_text(encoding="utf-8"))


def sentences() -> list[Sentence]:
    """Return every sentence, in the order of the file; no two are the same."""
    fill = _Filler(slots())
    label = register = ""
    made: list[Sentence] = []
    seen: set[str] = set()
    for number, line in enumerate((DATA / "phrasings.txt").read_text(encoding="utf-8").splitlines(), 1):
        section = _SECTION.fullmatch(line)
        if section:
            label, register = section[1], section[2]
        elif line and not line.startswith("#"):
            for _ in range(EACH):
                text = fill(line)
                if text not in seen:
                    seen.add(text)
                    made.append(Sentence(text, label, register, number))
    return made


class _Filler:
    """Fills slots; within one sentence a slot that comes twice is filled with two things."""

    def __init__(self, lists: dict[str, list[str]]) -> None:
        self._lists = lists
        self._random = random.Random(SEED)

    def __call__(self, line: str) -> str:
        self._used: set[str] = set()
        self._pairs: dict[str, tuple[str, str]] = {}
        self._style = self._random.choice(_MONEY)
        return _SLOT.sub(self._value, line)

    def _value(self, match: re.Match[str]) -> str:
        name = match[1]
        base, _, end = name.partition("_")
        if end in ("hi", "lo"):
            low, high = self._pairs.setdefault(base, self._pair(base))
            text = high if end == "hi" else low
        elif name in self._lists:
            # Two different ones, so that no company competes with itself.
            text = self._random.choice([item for item in self._lists[name] if item not in self._used])
            self._used.add(text)
        else:
            text = self._number(name)
        return text[0].upper() + text[1:] if match[2] else text

    def _pair(self, base: str) -> tuple[str, str]:
        low = self._random.uniform(1, 400)
        high = low * self._random.uniform(1.05, 2.5)
        if base == "eps":
            return f"${low / 100:.2f}", f"${high / 100:.2f}"
        if base == "pct":
            return f"{low / 20:.1f}%", f"{high / 20:.1f}%"
        style = self._random.choice(_DOLLARS) if base == "usd" else self._style
        return style.format(low), style.format(high)

    def _number(self, name: str) -> str:
        rnd = self._random
        if name == "eur":
            return self._style.format(rnd.uniform(1, 900))
        if name == "usd":
            return rnd.choice(_DOLLARS).format(rnd.uniform(1, 900))
        if name == "pct":
            return rnd.choice(("{:.1f} %", "{:.1f}%", "{:.0f} percent", "{:.0f}%")).format(rnd.uniform(1, 60))
        if name == "eps":
            return f"${rnd.uniform(0.05, 6):.2f}"
        if name == "n":
            return str(rnd.randint(2, 30))
        if name == "n4":
            return str(rnd.randint(1, 4))
        if name == "N":
            return f"{rnd.randint(1_000, 90_000):,}"
        if name == "year":
            return str(rnd.randint(1999, 2025))
        if name == "day":
            return str(rnd.randint(1, 28))
        raise KeyError(f"phrasings.txt has an unknown slot {name!r}")


_MONEY = (
    "EUR {:.1f} mn",
    "EUR {:.1f} million",
    "EUR{:.1f}m",
    "{:.1f} million euros",
    "SEK {:.0f}m",
    "{:.1f} mln euro",
    "GBP {:.1f} million",
    "$ {:.0f} mn",
)
_DOLLARS = ("${:.1f} million", "${:.0f}M", "${:.1f} billion", "$ {:.1f} bln", "${:.2f}B")
