"""The prompts: one file for each kind of event, with an id, a version and a hash.

A file begins with a few lines of TOML between ``+++`` (`id`, `version`); what follows is put behind
the common part. The hash covers all that the model is told, so that an edited prompt never passes for
the one that was recorded. A prompt that cannot be read is a `ModelError` naming the file.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from robo_trader.errors import ModelError

FOLDER = Path(__file__).parent
COMMON = "common.md"
#: The kinds of event that have a prompt.
KINDS = ("earnings", "filing", "fomc", "macro", "news", "social")
_FENCE = "+++"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt: the whole `text` of the instructions, and 16 hex digits of the hash of all of it."""

    id: str
    version: int
    text: str
    hash: str


def load_prompt(kind: str, folder: str | Path | None = None) -> Prompt:
    """Return the prompt for events of `kind`.

    `folder` may hold files of one's own (``news.md``, ``common.md``); what it lacks is taken from here.
    """
    path = _path(f"{kind}.md", folder)
    head, body = _split(path)
    version = head.get("version")
    if head.get("id") != kind or isinstance(version, bool) or not isinstance(version, int):
        raise ModelError(
            f"{path}: a prompt for {kind!r} needs id = {kind!r} and a whole number as version, not "
            f"id = {head.get('id')!r} and version = {version!r}"
        )
    text = f"{_read(_path(COMMON, folder)).strip()}\n\n{body.strip()}\n"
    digest = hashlib.sha256(f"{kind}\n{version}\n{text}".encode()).hexdigest()[:16]
    return Prompt(kind, version, text, digest)


def _path(name: str, folder: str | Path | None) -> Path:
    if folder is not None and (own := Path(folder) / name).is_file():
        return own
    return FOLDER / name


def _split(path: Path) -> tuple[dict[str, object], str]:
    text = _read(path)
    fenced = text.split(f"{_FENCE}\n", 2)
    if len(fenced) != 3 or fenced[0].strip():
        raise ModelError(
            f"{path}: a prompt begins with lines of TOML between two lines of {_FENCE}",
            hint='for example: +++, id = "news", version = 1, +++',
        )
    try:
        return tomllib.loads(fenced[1]), fenced[2]
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{path}: its head is not valid TOML: {error}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"the prompt {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 text (byte {error.start})") from None
