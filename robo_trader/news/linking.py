"""Which instruments an event is about: tags, cashtags, tickers and company names, and nothing by chance.

A symbol outside of the allow list is never returned, whatever the text claims. A word that is also an
everyday one ("Apple", "Target") counts only where the words around it speak of a company, and tickers
that are words (`A`, `ALL`, `IT`) only with their exchange or a dollar sign. When in doubt, nothing.
Pure and deterministic; a names file that cannot be read raises `EventError`.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from robo_trader.errors import EventError
from robo_trader.events.hygiene import clean
from robo_trader.records import Event

COMPANIES = Path(__file__).parent / "companies.csv"
#: Characters of a body that are searched for names: who is meant is said at the beginning.
_BODY = 1_500
_MOST = 12

_SYMBOL = re.compile(r"[A-Z]{1,5}(?:[.-][A-Z]{1,2})?\Z|\^?[A-Z0-9]{1,6}\Z")
_EXCHANGE = (
    r"(?:NYSE(?: ?(?:American|Arca|MKT))?|NASDAQ(?:-?[A-Z]{2})?|NasdaqG[SM]|Nasdaq|AMEX|CBOE|OTC(?:QX|QB)?)"
)
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Z]{1,5}(?:[.-][A-Z]{1,2})?)(?![\w$])")
_LISTED = re.compile(rf"\b{_EXCHANGE}\s*:\s*([A-Z]{{1,5}}(?:[.-][A-Z]{{1,2}})?)(?!\w)")
_BRACKETED = re.compile(
    r"\(\s*([A-Z]{2,5}(?:[.-][A-JV])?)(?:\.(?:O|N|OQ|K))?\s*\)"
    r"|\b([A-Z]{1,5})\.(?:O|N|OQ|K)\b"
)
_BARE = re.compile(r"(?<![\w$.&'-])([A-Z]{3,5})(?![\w$&'-]|\.[A-Z])")
_TAG = re.compile(rf"(?:{_EXCHANGE}\s*:\s*|\$|ticker:\s*|symbol:\s*)?([A-Z]{{1,5}}(?:[.-][A-Z]{{1,2}})?)\Z")

_LISTS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
_WORDS, _AFTER, _BEFORE = (frozenset(_LISTS[name].split()) for name in ("tickers", "after", "before"))
_EVERYDAY = {word: frozenset(beside.split()) for word, beside in _LISTS["everyday"].items()}
_TOKEN = re.compile(r"[A-Za-z0-9$%&'\u2019.-]+")


@dataclass(frozen=True, slots=True)
class _Name:
    symbol: str
    text: str
    unsure: bool


class Linker:
    """Finds the symbols that an event is about.

    `universe` is the allow list: nothing else is ever returned. None allows every company of the
    built-in list and whatever a source's own tags name. `aliases` adds names to the built-in ones, as
    ``{"AAPL": ["Cupertino", "~Mac"]}``; a name with ``~`` counts only beside words that speak of a company.
    """

    def __init__(
        self,
        universe: Iterable[str] | None = None,
        *,
        aliases: Mapping[str, Iterable[str]] | None = None,
        companies: Path | None = COMPANIES,
    ) -> None:
        self._allowed = None if universe is None else frozenset(universe)
        names = list(_companies(companies)) if companies is not None else []
        for symbol, texts in (aliases or {}).items():
            names += [_Name(symbol, text.removeprefix("~"), text.startswith("~")) for text in texts]
        self._known = frozenset(name.symbol for name in names) | (self._allowed or frozenset())
        # One instrument may be spelt BRK.B, BRK-B or BRK B: the spelling of the allow list is returned.
        self._spelling = {
            _plain(symbol): symbol
            for symbol in sorted(self._known if self._allowed is None else self._allowed)
        }
        names = [name for name in names if _plain(name.symbol) in self._spelling]
        self._names = {name.text.casefold().replace("\u2019", "'"): name for name in reversed(names)}
        words = sorted(self._names, key=len, reverse=True)
        self._pattern = (
            re.compile(
                r"(?<![\w$&.-])(?:" + "|".join(map(re.escape, words)) + r")(?:'s?)?(?![\w&]|[-.]\w)",
                re.IGNORECASE,
            )
            if words
            else None
        )  # fmt: skip

    def link(self, event: Event) -> tuple[str, ...]:
        """Return the symbols of `event`, those named first first, each once and allowed.

        Its own symbols and its feed's tags count where they are allowed; without an allow list, where
        they look like symbols.
        """
        found: dict[str, None] = {}
        for symbol in event.symbols:
            self._add(found, symbol, trusted=self._allowed is None)
        tags = event.data.get("tags")
        for tag in tags if isinstance(tags, list | tuple) else ():
            match = _TAG.match(tag) if isinstance(tag, str) else None
            if match and (match[0] != match[1] or len(match[1]) > 1) and match[0] not in _WORDS:
                self._add(found, match[1])
        title = clean(event.title, limit=1_000).text.replace("\u2019", "'")
        for text in (title, clean(event.body, limit=_BODY).text.replace("\u2019", "'")):
            self._read(text, found)
        return tuple(found)[:_MOST]

    def _read(self, text: str, found: dict[str, None]) -> None:
        """Add what `text` names, in the order of the text."""
        shouting = text.isupper()
        places: list[tuple[int, str]] = []
        for pattern in (_CASHTAG, _LISTED):
            places += [(match.start(), match[1]) for match in pattern.finditer(text)]
        for match in _BRACKETED.finditer(text):
            symbol = match[1] or match[2]
            if symbol not in _WORDS and not shouting:
                places.append((match.start(), symbol))
        for match in _BARE.finditer(text):
            if match[1] not in _WORDS and not (shouting and len(match[1]) < 4):
                places.append((match.start(), match[1]))
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                word = match[0].casefold()
                name = self._names.get(word) or self._names.get(re.sub(r"'s?$", "", word))
                if name is not None and (
                    not name.unsure or _speaks_of_a_company(text, match, name.text, shouting)
                ):
                    places.append((match.start(), name.symbol))
        for _, symbol in sorted(places):
            self._add(found, symbol)

    def _add(self, found: dict[str, None], symbol: str, *, trusted: bool = False) -> None:
        spelt = self._spelling.get(_plain(symbol))
        if spelt is None and trusted and _SYMBOL.match(symbol):
            spelt = symbol
        if spelt is not None:
            found[spelt] = None


def _plain(symbol: str) -> str:
    return re.sub(r"[ ./-]", ".", symbol)


def _speaks_of_a_company(text: str, match: re.Match[str], name: str, shouting: bool) -> bool:
    """Tell whether the words around an everyday word take it for a company."""
    word = re.sub(r"'s?$", "", match[0])
    if not shouting and word != name:
        return False
    before = _TOKEN.findall(text[max(0, match.start() - 40) : match.start()].casefold())[-2:]
    after = _TOKEN.findall(text[match.end() : match.end() + 40].casefold())[:2]
    everyday = _EVERYDAY.get(word.casefold(), frozenset())
    if not everyday.isdisjoint([*before[-1:], *after[:1]]):
        return False
    if after and after[0].rstrip(".,'") in _AFTER:
        return True
    if before and before[-1] in _BEFORE:
        return True
    # "Apple's services": a possessive before a word of business, or the start of a list of companies.
    return match[0].endswith("'s") and not everyday.intersection(after)


@lru_cache(maxsize=4)
def _companies(path: Path) -> tuple[_Name, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EventError(
            f"cannot read the company names in {path}: {error}", hint="check the file"
        ) from error
    names = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        symbol, aliases = row.get("symbol"), row.get("aliases")
        if not symbol or not aliases:
            raise EventError(
                f"{path} line {number}: a row needs symbol and aliases", hint="write AAPL,Apple Inc|~Apple"
            )
        for alias in aliases.split("|"):
            names.append(_Name(symbol, alias.removeprefix("~"), alias.startswith("~")))
    return tuple(names)
