"""What text says when it talks to a model instead of to a reader.

The patterns stand in `instructions.txt`: orders to whoever analyses the text, in the languages that attacks
are written in first. They are judged on a folded copy (lower case, accents and leetspeak undone,
spelt-out words joined), so that each is written once. A match makes text suspicious, and suspicious text
moves nothing, so that a pattern must hardly ever fit plain news. Nothing here raises.
"""

from __future__ import annotations

import re
import unicodedata

from robo_trader.events.patterns import sections

_ORDERS = sections("instructions.txt", folded=True)["orders"]
_ACCENT = re.compile("([a-z\u0370-\u03ff])[\u0300-\u036f]+")
_LEET = str.maketrans("013457@$", "oieastas")
_LEETED = re.compile(r"\b(?=\w*[a-z])(?=\w*[0134578@$])[\w@$]+")
_SPELT = re.compile(r"(?<![\w])(?:\w[ ._*-]{1,2}){4,}\w(?![\w])")
#: The marks by which model software tells its own turns apart.
FAKE_TAGS = re.compile(
    r"<\|[\w ./-]{1,40}\|>|<\|?(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id"
    r"|begin_of_text)\|?>"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:SYSTEM|ASSISTANT|USER|TOOL)(?: [\w ]{1,20})?\]"
    r"|</?\s*(?:system|assistant|user|human|instructions?|prompt|tool(?:_\w+)?|function(?:_\w+)?|untrusted\w*"
    r"|document|article|developer|admin|context|thinking|answer|output|result|news|event|event_text|data"
    r"|text_to_\w+)\s*>"
    r"|<start_of_turn>|<end_of_turn>|<bos>|<eos>|</?s>(?=\s|$)|\{\{\s*#?(?:system|user|assistant)"
    r"|\n\s*(?:#{1,6}\s*)?(?:system|user|developer)\s*(?:prompt|message|note|override)?\s*:"
    r"|(?:^|\n)\s*(?:#{1,6}\s*)?(?:assistant|human)\s*:"
    r"|#{2,6}\s*(?:system|assistant|instruction|response|input|human|user)s?\b\s*:?"
    r"|-{3,}\s*(?:begin|end|system|stop)\b[^-\n]{0,40}-{3,}"
    r"|={3,}\s*(?:begin|end|system|stop)\b[^=\n]{0,40}={3,}"
    r"|\b(?:system|assistant)\s*:\s*(?:you (?:are|must|will|should|obey|have)|ignore|override|set|new|score"
    r"|always|from|output|respond|return|this)\b",
    re.IGNORECASE,
)
#: Text that closes a JSON string or object, or brings an answer of its own.
JSON_BREAK = re.compile(
    r"[\"'\u201c\u201d\u2019]\s*[}\]]+\s*[,{\[]?\s*(?:[\"'\u201c{]|$|\n|#|//|<)"
    r"|[\"'\u201c]\s*,\s*[\"'\u201c]?\w{2,20}[\"'\u201d]\s*:\s*"
    r"|[\"'\u201c\u201d]?\b(?:score|confidence|sentiment|horizon|rationale|verdict|symbol|ticker|views?"
    r"|abstain|role|content)\b[\"'\u201c\u201d]\s*:"
    r"|\{\s*[\"'\u201c\u201d]\w+[\"'\u201c\u201d]\s*:|```|\{\s*score\s*:|\\\"\s*[,}\]:]|</?json>|\"\"\"",
    re.IGNORECASE,
)


def folded(text: str) -> str:
    """Return `text` as the patterns expect it: lower case, accents and disguises undone."""
    plain = text.casefold()
    if not plain.isascii():
        # Accents of Latin and Greek letters go; in Cyrillic they make other letters.
        marked = _ACCENT.sub(r"\1", unicodedata.normalize("NFD", plain))
        plain = unicodedata.normalize("NFC", marked).replace("\u0131", "i")
    plain = _SPELT.sub(lambda found: " " + re.sub(r"[ ._*-]", "", found[0]) + " ", plain)
    return re.sub(r"[\s_*~`|]+", " ", plain)


def talks_to_a_model(text: str) -> bool:
    """Tell whether `text` holds an order to whoever analyses it."""
    plain = folded(text)
    if _ORDERS.search(plain):
        return True
    leet = _LEETED.sub(lambda found: found[0].translate(_LEET), plain)
    return leet != plain and _ORDERS.search(leet)
