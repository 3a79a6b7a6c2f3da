"""Hide secrets wherever a value may be shown: in tables, messages and run directories.

A value is hidden when its key's name contains key, token, secret or password; so is the password
inside a URL. ``"env:NAME"`` stays as it is: it names the secret without being it. Nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s]*(?P<after>@)", re.IGNORECASE)
_URL_QUERY = re.compile(
    r"(?P<before>[?&][^=&\s]*(?:key|token|secret|password)[^=&\s]*=)[^&#\s]*", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Tell whether a key's name says that its value is a secret."""
    return bool(_SECRET.search(name))


def mask(name: str, value: Any) -> Any:
    """Return `value` as it may be shown: secrets replaced by ``***``, at any depth.

    ``"env:NAME"`` stays: it names the secret without being it.
    """
    if isinstance(value, Mapping):
        return {key: mask(f"{name}.{key}", inner) for key, inner in value.items()}
    if isinstance(value, str) and value.startswith("env:"):
        return value
    if is_secret(name.rpartition(".")[2]) and value is not None and not isinstance(value, bool):
        return MASK
    if isinstance(value, list | tuple):
        return [mask(name, inner) for inner in value]
    return mask_url(value) if isinstance(value, str) else value


def mask_url(text: str) -> str:
    """Return `text` with the passwords of URLs in it replaced by ``***``."""
    return _URL_QUERY.sub(rf"\g<before>{MASK}", _URL_PASSWORD.sub(rf"\g<before>{MASK}\g<after>", text))
