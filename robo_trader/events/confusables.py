"""Letters that look like Latin ones, and what they are folded to.

Only the look-alikes that serve to spell a Latin word with foreign letters, such as a Cyrillic A in "AAPL".
The table follows the idea of Unicode TR 39; its rows are chosen by hand. Words written wholly in another
alphabet are left alone, unless each of their letters is a look-alike amid Latin text.
"""

from __future__ import annotations

import re
import unicodedata

_PAIRS = {
    # Cyrillic
    "\u0410": "A", "\u0412": "B", "\u0415": "E", "\u0405": "S", "\u0406": "I", "\u0408": "J", "\u041a": "K",
    "\u041c": "M", "\u041d": "H", "\u041e": "O", "\u0420": "P", "\u0421": "C", "\u0422": "T", "\u0425": "X",
    "\u0423": "Y", "\u0430": "a", "\u0435": "e", "\u0455": "s", "\u0456": "i", "\u0458": "j", "\u043e": "o",
    "\u0440": "p", "\u0441": "c", "\u0443": "y", "\u0445": "x", "\u0501": "d", "\u051b": "q", "\u051d": "w",
    "\u04bb": "h", "\u04cf": "l", "\u04c0": "I", "\u0432": "b", "\u043a": "k", "\u043c": "m", "\u043d": "h",
    "\u0442": "t", "\u0457": "i", "\u0401": "E", "\u0451": "e", "\u0433": "r", "\u043f": "n",
    # Greek
    "\u0391": "A", "\u0392": "B", "\u0395": "E", "\u0396": "Z", "\u0397": "H", "\u0399": "I", "\u039a": "K",
    "\u039c": "M", "\u039d": "N", "\u039f": "O", "\u03a1": "P", "\u03a4": "T", "\u03a5": "Y", "\u03a7": "X",
    "\u03b1": "a", "\u03b3": "y", "\u03b5": "e", "\u03b9": "i", "\u03ba": "k", "\u03bd": "v", "\u03bf": "o",
    "\u03c1": "p", "\u03c4": "t", "\u03c5": "u", "\u03c7": "x", "\u03f2": "c", "\u03f3": "j", "\u03f9": "C",
    "\u03b7": "n", "\u03c3": "o", "\u03c9": "w",
    # Armenian, Cherokee, Coptic and Lisu
    "\u0555": "O", "\u054d": "U", "\u0585": "o", "\u057d": "u", "\u0578": "n", "\u0570": "h", "\u0566": "q",
    "\u13aa": "A", "\u13a0": "D", "\u13ac": "E", "\u13bb": "H", "\u13c6": "I", "\u13ab": "J", "\u13e6": "K",
    "\u13de": "L", "\u13b7": "M", "\u13e2": "P", "\u13a1": "R", "\u13da": "S", "\u13a2": "T", "\u13d9": "V",
    "\u13d4": "W", "\u13c3": "Z", "\u13df": "C", "\u2c9f": "o", "\u2ca3": "p", "\u2ca5": "c", "\u2c82": "B",
    "\ua4ee": "A", "\ua4d0": "B", "\ua4da": "C", "\ua4d3": "D", "\ua4f0": "E", "\ua4d6": "G", "\ua4e7": "H",
    "\ua4f2": "I", "\ua4e1": "L", "\ua4df": "M", "\ua4e0": "N", "\ua4f3": "O", "\ua4d1": "P", "\ua4e2": "S",
    # Latin letters made for phonetics
    "\u0251": "a", "\u0261": "g", "\u026a": "I", "\u1d00": "A", "\u0299": "B", "\u1d04": "C", "\u1d05": "D",
    "\u1d07": "E", "\ua730": "F", "\u0262": "G", "\u029c": "H", "\u1d0a": "J", "\u1d0b": "K", "\u029f": "L",
    "\u1d0d": "M", "\u0274": "N", "\u1d0f": "O", "\u1d18": "P", "\u0280": "R", "\ua731": "S", "\u1d1b": "T",
    "\u1d1c": "U", "\u1d20": "V", "\u1d21": "W", "\u028f": "Y", "\u1d22": "Z", "\u01c3": "!", "\u0269": "i",
    "\u0192": "f",
}  # fmt: skip
_FOLD = str.maketrans(_PAIRS)
_ALIKE = frozenset(_PAIRS)
_WORD = re.compile(r"[^\W\d_]+(?:[\w]*[^\W\d_])?")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
#: Latin letters in fancy dress, which NFKC undresses; nobody writes news in them.
STYLED = re.compile("[\U0001d400-\U0001d7ff\u24b6-\u24e9\U0001f130-\U0001f189\u2c60-\u2c7f\u1d00-\u1d22]")


def fold(text: str) -> tuple[str, bool]:
    """Return `text` with look-alikes folded to Latin where they pose as Latin, and whether any did."""
    if text.isascii():
        return text, False
    latin = len(_LATIN.findall(text))
    letters = sum(map(str.isalpha, text))
    mostly_latin = latin * 2 > letters
    changed = False

    def one(match: re.Match[str]) -> str:
        nonlocal changed
        word = match[0]
        if word.isascii():
            return word
        alike = sum(letter in _ALIKE for letter in word)
        if not alike:
            return word
        mixed = bool(_LATIN.search(word))
        posing = mostly_latin and len(word) > 2 and alike == len(word)
        if not (posing or (mixed and len(word) > 2)):
            return word
        changed = True
        return word.translate(_FOLD)

    return _WORD.sub(one, text), changed


def script(letter: str) -> str:
    """Return the first word of a letter's Unicode name: its script, near enough."""
    return unicodedata.name(letter, "").partition(" ")[0]
