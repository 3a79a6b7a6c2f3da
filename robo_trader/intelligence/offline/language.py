"""Is a text English? The analyst knows no other language and says so instead of guessing.

Counted are function words that belong to one side only, and letters outside of the Latin script.
"""

from __future__ import annotations

from robo_trader.intelligence.offline.tokens import bag

_ENGLISH = bag(
    "the of to in and for on with is are was were be been has have had its it as at by from that this will"
    " not than after over up about into his her their they he she you we our but or if more which who said"
    " says new may would could all out first year years company percent million"
)
_FOREIGN = bag(
    "der das und nicht ist im dem den des ein eine einen zu auf mit von für sich auch nach bei um aus"
    " le les des du une et est dans pour sur avec au aux par pas plus qui que sont ses ce cette"
    " el los las del una por para con su se al lo como más pero fue un en y"
    " il gli della dei nel alla che non di per una sono anche"
    " och att det som en på av för inte är till med den har ett om var"
    " ja on ei oli että sekä vuonna mutta joka ovat"
    " het een van voor niet met zijn aan ook naar bij"
    " o os da do dos das em um uma não ao pelo mais"
)  # fmt: skip
_ONLY_FOREIGN = _FOREIGN - _ENGLISH - bag("on met an plus per do um den in se non due come sale o y")
#: Of the letters of a text that is to be read, at least so many must be Latin.
_LEAST_LATIN = 0.7


def is_english(raw: str, words: list[str]) -> bool:
    """Tell whether a text may be read as English; short ones without any sign count as English."""
    letters = [char for char in raw if char.isalpha()]
    if letters and sum(ord(char) < 0x250 for char in letters) < _LEAST_LATIN * len(letters):
        return False
    foreign = sum(word in _ONLY_FOREIGN for word in raw.lower().split())
    return foreign == 0 or foreign <= sum(word in _ENGLISH for word in words)
