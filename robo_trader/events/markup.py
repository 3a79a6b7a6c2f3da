"""Text out of HTML, without what a reader of the page would not see.

A small scanner of its own, linear in the length of its input whatever that holds: feeds are written
by strangers, and a parser that takes quadratic time on unclosed tags is a way to stop a session.
Nothing here raises; broken markup loses markup, never the process.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

#: Elements whose content is no text.
_RAW = frozenset(
    {
        "script",
        "style",
        "iframe",
        "object",
        "embed",
        "template",
        "noscript",
        "svg",
        "math",
        "head",
        "applet",
        "frameset",
        "textarea",
    }
)
_VOID = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "frame",
        "keygen",
    }
)
_BLOCK = frozenset(
    {
        "p",
        "div",
        "br",
        "li",
        "ul",
        "ol",
        "tr",
        "td",
        "th",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "section",
        "article",
        "hr",
        "pre",
        "dd",
        "dt",
    }
)
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9:-]*)")
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*\.?0*(?![.\d])"
    r"|font-size\s*:\s*0*\.?[01]?(?:px|pt|em|rem|%)?\s*(?:[;\"'!]|$)"
    r"|(?:text-indent|left|right|top|bottom|margin(?:-\w+)?)\s*:\s*-\d{3,}"
    r"|(?:max-)?(?:height|width)\s*:\s*0(?:px)?\s*(?:[;\"'!]|$)|color\s*:\s*transparent"
    r"|clip\s*:\s*rect|mso-hide\s*:\s*all",
    re.IGNORECASE,
)
_WHITE = re.compile(
    r"(?<![-\w])color\s*[:=]\s*[\"']?\s*(?:white\b|#fff(?:fff)?\b|rgb\(\s*255\s*,\s*255\s*,\s*255)",
    re.IGNORECASE,
)
_BARE_HIDDEN = re.compile(r"(?:^|\s)hidden(?:\s|=|/|$)", re.IGNORECASE)
_ARIA_HIDDEN = re.compile(r"aria-hidden\s*=\s*[\"']?true", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class Stripped(NamedTuple):
    """The text, whether there was markup, and what an author had hidden in it."""

    text: str
    markup: bool
    hidden: bool
    script: bool


def strip(text: str) -> Stripped:
    """Return `text` without tags, comments, scripts and hidden elements, character references read."""
    parts: list[str] = []
    markup = hidden = script = False
    position = 0
    while True:
        start = text.find("<", position)
        if start < 0 or start == len(text) - 1:
            parts.append(text[position:])
            break
        if text[start + 1] not in "!?/" and not text[start + 1].isascii():
            parts.append(text[position : start + 1])
            position = start + 1
            continue
        if text[start + 1] in "!?":
            parts.append(text[position:start])
            opening, closing = ("<!--", "-->") if text.startswith("<!--", start) else ("<", ">")
            cdata = text.startswith("<![CDATA[", start)
            end = text.find("]]>" if cdata else closing, start + len(opening))
            stop = len(text) if end < 0 else end
            if cdata:
                parts.append(text[start + 9 : stop])
            elif opening == "<!--" and re.search(r"\w{3,} \w{3,}", text[start:stop][:400]):
                hidden = True
            markup = True
            if end < 0:
                break
            position = end + (3 if cdata else len(closing))
            continue
        found = _NAME.match(text, start + 1)
        end = _end_of_tag(text, start) if found else -1
        if found is None or end < 0:
            parts.append(text[position : start + 1])
            position = start + 1
            if found is not None:  # no ">" from here on: there is no further tag
                parts.append(text[position:])
                break
            continue
        parts.append(text[position:start])
        markup = True
        name = found[1].lower()
        closing_tag = text[start + 1] == "/"
        inside = text[found.end() : end]
        if name in _BLOCK:
            parts.append(" ")
        position = end + 1
        if closing_tag or name in _VOID or inside.endswith("/"):
            continue
        if name in _RAW:
            script = script or name in ("script", "iframe", "object")
            position = _after(text, name, position, nested=False)
        elif _is_hidden(inside):
            after = _after(text, name, position, nested=True)
            hidden = hidden or bool(re.search(r"\w", text[position:after]))
            position = after
            parts.append(" ")
    return Stripped(html.unescape("".join(parts)), markup, hidden, script)


def _end_of_tag(text: str, start: int) -> int:
    """Return where the tag ends, past a ``>`` in quotes where the quotes are closed soon."""
    end = text.find(">", start)
    for _ in range(8):
        if end < 0:
            return -1
        rest = _QUOTED.sub("", text[start:end])
        if '="' not in rest and "='" not in rest:
            return end
        further = text.find(">", end + 1, end + 2_000)
        if further < 0:
            return end
        end = further
    return text.find(">", start)


def _after(text: str, name: str, position: int, *, nested: bool) -> int:
    """Return the place after the element's end, or the end of the text where it is never closed."""
    depth = 1
    for tag in re.compile(rf"<(/?){re.escape(name)}(?=[\s/>])[^<>]*>", re.IGNORECASE).finditer(
        text, position
    ):
        depth += -1 if tag[1] else (1 if nested else 0)
        if depth == 0:
            return tag.end()
    return len(text)


def _is_hidden(attributes: str) -> bool:
    return bool(
        _HIDDEN.search(attributes)
        or _WHITE.search(attributes)
        or _BARE_HIDDEN.search(_QUOTED.sub("", attributes))
        or _ARIA_HIDDEN.search(attributes)
    )
