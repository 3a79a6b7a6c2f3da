"""Text hygiene: a stranger's text made plain, and what was found in it said in short flags.

`clean` bounds the size, removes hidden HTML and scripts, applies NFKC, takes invisible characters
out and folds look-alike letters; cleaning twice is cleaning once. Some flags make text `suspicious`: whoever
turns views into signals gives such text the value 0.
Pure and deterministic, without input or output; nothing here raises, whatever the text holds.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from robo_trader.events.confusables import STYLED, fold, script
from robo_trader.events.instructions import FAKE_TAGS, JSON_BREAK, talks_to_a_model
from robo_trader.events.markup import strip
from robo_trader.records import Event

#: Characters that are kept of one text.
LIMIT = 20_000
_TITLE_LIMIT = 1_000
_DATA_LIMIT = 2_000
_RAW_FACTOR = 8  # markup may take most of a page
_ROUNDS = 4

#: Every flag with what it says; those of `SUSPICIOUS` take a text's weight away.
FLAGS = {
    "oversize": "longer than the limit; the rest was cut off",
    "html": "markup was removed",
    "script": "a script or an embedded object was removed",
    "control": "control characters were removed",
    "invisible": "harmless invisible characters were removed",
    "compat": "compatibility characters were made plain (NFKC)",
    "foreign": "most letters are not Latin",
    "zero_width": "zero-width characters stood inside of words",
    "bidi": "characters that reverse the order of reading",
    "tags": "Unicode tag characters, which nobody can see",
    "hidden_html": "text that a page's reader would not see",
    "confusables": "letters of other alphabets posing as Latin ones",
    "combining": "marks piled on letters",
    "fake_tags": "the marks of a model's own turns",
    "json": "text that closes a JSON string or brings an answer of its own",
    "instructions": "orders to whoever analyses the text",
    "base64": "readable text in an encoding (base64, hex, escapes)",
    "mixed_scripts": "a passage in another alphabet amid Latin text",
}
SUSPICIOUS = frozenset(FLAGS) - {"oversize", "html", "script", "control", "invisible", "compat", "foreign"}
#: Where `clean_event` keeps an event's flags, in its `data`.
KEY = "hygiene"

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TAGS = re.compile("[\U000e0000-\U000e007f\U000e0100-\U000e01ef]")
_ZERO = "\u200b\u200c\u200d\u2060-\u2064\u180e\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
_IN_WORD = re.compile(f"[A-Za-z0-9$][{_ZERO}\ufe00-\ufe0f\u200e\u200f\u061c]+(?=[A-Za-z0-9])")
_SOFT = re.compile("(?<=[A-Za-z])\u00ad+(?=[A-Za-z])")
_INVISIBLE = re.compile(f"[{_ZERO}\ufe00-\ufe0f\u200e\u200f\u061c\u206a-\u206f\ufff9-\ufffb]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\ue000-\uf8ff]")
_PILED = re.compile("([\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]){3,}")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ ,:]?){16,}")
_ESCAPES = re.compile(r"(?:\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|&#\d+;|%[0-9A-Fa-f]{2}){6,}")
_READABLE = re.compile(r"[A-Za-z]{2,}[ ,.:;_-]+[A-Za-z]{2,}|[A-Za-z]{6,}[ .:=]|\bscore\b")


@dataclass(frozen=True, slots=True)
class Clean:
    """A cleaned text and the flags of what was found in it, sorted."""

    text: str
    flags: tuple[str, ...] = ()

    @property
    def suspicious(self) -> bool:
        """Whether anything found makes the text unfit to move a price view."""
        return is_suspicious(self.flags)


def is_suspicious(flags: Iterable[str]) -> bool:
    """Tell whether any of `flags` takes a text's weight away."""
    return not SUSPICIOUS.isdisjoint(flags)


def clean(text: str, *, limit: int = LIMIT) -> Clean:
    """Return `text` made plain, at most `limit` characters long, with the flags of what was found."""
    return _title(text, limit) if len(text) <= _TITLE_LIMIT else _clean(text, limit)


@lru_cache(maxsize=4_096)
def _title(text: str, limit: int) -> Clean:
    """Return a short text made plain: one and the same is asked for by who links, reads and compares it."""
    return _clean(text, limit)


def _clean(text: str, limit: int) -> Clean:
    flags: set[str] = set()
    if len(text) > limit * _RAW_FACTOR:
        text = text[: limit * _RAW_FACTOR]
        flags.add("oversize")
    for _ in range(_ROUNDS):
        before = text
        text = _round(text, flags)
        if text == before:
            break
    else:  # layer upon layer of escaped markup: without these three nothing is left to unwrap
        text = _spaced(re.sub(r"[<>&]", " ", text))
        flags.add("hidden_html")
    if len(text) > limit:
        text = text[:limit].rstrip()
        flags.add("oversize")
    flags |= _read(text)
    return Clean(text, tuple(sorted(flags)))


def clean_event(event: Event) -> tuple[Event, tuple[str, ...]]:
    """Return `event` with title and body cleaned, and the flags of both, sorted.

    What is suspicious in the texts of its `data` counts, too: a model may be shown them.

    The flags also stand in ``data["hygiene"]`` where there are any; flags that stand there already
    (from an earlier cleaning) are kept, so that text does not become innocent by being stored.
    """
    title, body = clean(event.title, limit=_TITLE_LIMIT), clean(event.body)
    earlier = event.data.get(KEY, ())
    known = {flag for flag in earlier if flag in FLAGS} if isinstance(earlier, list | tuple) else set()
    if body.text and talks_to_a_model(f"{title.text[-300:]} {body.text[:300]}"):
        known.add("instructions")  # half an order in each
    for text in _texts({name: value for name, value in event.data.items() if name != KEY}):
        known |= SUSPICIOUS.intersection(clean(text, limit=_DATA_LIMIT).flags)
    flags = tuple(sorted({*title.flags, *body.flags, *known}))
    one_line = " ".join(title.text.split())
    if flags and list(earlier) != list(flags):
        event = replace(event, data={**event.data, KEY: list(flags)})
    if one_line != event.title or body.text != event.body:
        event = replace(event, title=one_line, body=body.text)
    return event, flags


def _texts(value: Any, depth: int = 8) -> Iterator[str]:
    """Yield the texts and names in an event's data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth:
        for name, inner in value.items():
            yield from _texts(str(name))
            yield from _texts(inner, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for inner in value:
            yield from _texts(inner, depth - 1)


def _round(text: str, flags: set[str]) -> str:
    """Take one layer of disguise off `text`."""
    if text.isascii() and "<" not in text and "&" not in text and not _CONTROL.search(text):
        return _spaced(text)
    if not text.isascii():
        text = _visible(text, flags)
    if _CONTROL.search(text):
        text = _CONTROL.sub(" ", text)
        flags.add("control")
    if "<" in text or "&" in text:
        if FAKE_TAGS.search(text):
            flags.add("fake_tags")
        stripped = strip(text)
        text = stripped.text
        for name, found in (
            ("html", stripped.markup), ("hidden_html", stripped.hidden), ("script", stripped.script)
        ):  # fmt: skip
            if found:
                flags.add(name)
    return _spaced(text)


def _visible(text: str, flags: set[str]) -> str:
    """Return `text` without what nobody can see, in NFKC, look-alikes folded."""
    for name, pattern in (("bidi", _BIDI), ("tags", _TAGS)):
        if pattern.search(text):
            text = pattern.sub("", text)
            flags.add(name)
    if _SOFT.search(text):  # a hyphenation hint; many of them in one text are no hint
        if len(_SOFT.findall(text)) > 3 + len(text) // 200:
            flags.add("zero_width")
        text = _SOFT.sub("", text)
        flags.add("invisible")
    if _IN_WORD.search(text):
        flags.add("zero_width")
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", text)
        flags.add("invisible")
    if len(STYLED.findall(text)) > 2:
        flags.add("confusables")
    plain = unicodedata.normalize("NFKC", text)
    if plain != unicodedata.normalize("NFC", text):
        flags.add("compat")
    if _PILED.search(unicodedata.normalize("NFD", plain)):
        plain = unicodedata.normalize("NFC", _PILED.sub("", unicodedata.normalize("NFD", plain)))
        flags.add("combining")
    plain, folded = fold(plain)
    if folded:
        flags.add("confusables")
    return plain


def _spaced(text: str) -> str:
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def _read(text: str) -> set[str]:
    """Return the flags of what the plain text says."""
    flags = set()
    if FAKE_TAGS.search(text):
        flags.add("fake_tags")
    if JSON_BREAK.search(text):
        flags.add("json")
    if _encoded(text):
        flags.add("base64")
    if talks_to_a_model(text):
        flags.add("instructions")
    if not text.isascii():
        flags |= _scripts(text)
    return flags


def _scripts(text: str) -> set[str]:
    letters = [c for c in text[:4_000] if c.isalpha()]
    others = [c for c in letters if ord(c) > 0x24F]
    foreign = [c for c in others if script(c) not in ("LATIN", "GREEK", "MICRO", "OHM", "ANGSTROM")]
    latin = len(letters) - len(others)
    if not foreign:
        return set()
    if latin >= 12 and len(foreign) >= 10:
        return {"mixed_scripts", "foreign"} if len(foreign) * 2 > len(letters) else {"mixed_scripts"}
    return {"foreign"} if len(foreign) * 2 > len(letters) else set()


def _encoded(text: str) -> bool:
    """Tell whether a run of characters decodes to readable text."""
    for found in _BASE64.finditer(text):
        run = found[0].rstrip("=")
        if run.isalpha() and (run.islower() or run.isupper()):
            continue
        padded = run.replace("-", "+").replace("_", "/") + "=" * (-len(run) % 4)
        try:
            raw = base64.b64decode(padded, validate=True)
        except (ValueError, binascii.Error):
            continue
        if _readable(raw):
            return True
    for found in _HEX.finditer(text):
        try:
            raw = bytes.fromhex(re.sub(r"0x|\\x|[ ,:]", "", found[0]))
        except ValueError:
            continue
        if _readable(raw):
            return True
    for found in _ESCAPES.finditer(text):
        said = re.sub(
            r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})",
            lambda m: chr(int(m[1] or m[2], 16)),
            unquote(found[0], errors="replace"),
        )
        if re.search(r"[A-Za-z]{3,} ?[A-Za-z]{2,}", said):
            return True
    return False


def _readable(raw: bytes) -> bool:
    shown = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in raw)
    if len(raw) < 12 or shown < len(raw) * 0.95:
        return False
    return bool(_READABLE.search(raw.decode("latin-1")))
