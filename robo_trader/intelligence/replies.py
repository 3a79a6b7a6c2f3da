"""The reply store: what models said, addressed by exactly what they were asked.

A store is one file of JSON Lines that only ever grows, so that it can be read, compared and kept in
version control. The address of a reply is a hash of the model, the prompt's id and hash, the schema,
the input and the draw; the input itself is not kept. Each line carries a checksum. A damaged line is
left where it is, counted and reported, and every other line stays usable; `repair` moves it aside.
Several processes may append to one file. A file that is no reply store is a `ModelError`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_trader import clock
from robo_trader.errors import ModelError, StateError
from robo_trader.intelligence.reply import Reply, Request, Status, Usage
from robo_trader.state.files import locked

#: What the store keeps of an answer's text; the gateway reads no longer ones.
_LONGEST_TEXT = 100_000
_FORMAT = 1
_PREFIX = b'{"sum":"'
_LINE = re.compile(rb'\{"sum":"([0-9a-f]{16})","reply":(\{.*\})\}\r?\n?\Z', re.DOTALL)


class ReplyMissing(ModelError):
    """A replay asked for a reply that nobody recorded. Never swallowed: the run would be another one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply is found: `key`, and `question`, which leaves out the prompt's hash."""

    key: str
    question: str
    model: str
    prompt_id: str
    prompt_hash: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One line of a store: how a question ended, when it was asked, and its usage.

    `text` is what the model said, `answer` what was made of it, quotations checked. `characters` is
    the length of what was sent; estimates learn from it.
    """

    key: str
    question: str
    model: str
    prompt_id: str
    prompt_hash: str
    status: Status
    text: str
    answer: Any
    usage: Usage | None
    detail: str
    characters: int
    at: str


def address(model: str, request: Request) -> Address:
    """Return the address of `request` put to `model` (its name with the settings that matter)."""
    question = _hash(model, request.prompt_id, request.schema_hash, request.content, str(request.draw))
    return Address(
        _hash(question, request.prompt_hash), question, model, request.prompt_id, request.prompt_hash
    )


class ReplyStore:
    """The replies in the file `path`, which is made with the first reply recorded."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        #: Lines that cannot be used: line number and what is wrong.
        self.damaged: list[tuple[int, str]] = []
        self._found: dict[str, Stored] = {}
        self._questions: dict[str, str] = {}
        self._offset = 0
        self._lines = 0
        self._inode = 0
        self._ours = False
        self._lock = threading.RLock()

    def __len__(self) -> int:
        self._read()
        return len(self._found)

    def __iter__(self) -> Iterator[Stored]:
        self._read()
        return iter(self._found.values())

    def get(self, where: Address) -> Stored | None:
        """Return the reply at `where`, or None; what other processes added since is seen."""
        found = self._found.get(where.key)
        if found is None:
            self._read()
            found = self._found.get(where.key)
        return found

    def missing(self, where: Address, title: str = "") -> ReplyMissing:
        """Return the error for a reply that is not there, with the most likely reason."""
        about = f" for {title!r}" if title else ""
        prompt_hash = self._questions.get(where.question)
        if prompt_hash is not None:
            return ReplyMissing(
                f"the prompt {where.prompt_id!r} was edited after the replies in {self.path} were recorded: "
                f"it was {prompt_hash}, now it is {where.prompt_hash}",
                hint="restore the prompt's file, or record again with mode = 'record'",
            )
        if not self.path.exists():
            return ReplyMissing(
                f"there is no reply store {self.path}",
                hint='check its path, or record one with mode = "record"',
            )
        hint = 'record it with mode = "record"; what is recorded already costs nothing'
        if self.damaged:
            hint = (
                f"{len(self.damaged)} damaged lines may have held it: robo llm replies {self.path}; or "
                + hint
            )
        others = sorted({stored.model for stored in self._found.values()})
        if self._found and where.model not in others:
            hint = f"it was recorded with {', '.join(others)}"
        return ReplyMissing(
            f"{self.path} holds no reply of {where.model} to the prompt {where.prompt_id!r}{about}", hint=hint
        )

    def put(self, where: Address, reply: Reply, characters: int) -> None:
        """Record how a question ended; the last record of an address counts."""
        usage = reply.usage
        self._append(
            {
                "v": _FORMAT,
                "key": where.key,
                "question": where.question,
                "model": where.model,
                "prompt": where.prompt_id,
                "prompt_hash": where.prompt_hash,
                "status": reply.status.value,
                "text": reply.text[:_LONGEST_TEXT],
                "answer": reply.answer.dump() if reply.answer is not None else None,
                "detail": reply.detail,
                "usage": [usage.input, usage.output, usage.cache_read, usage.cache_write] if usage else None,
                "characters": characters,
                "at": clock.iso(clock.to_ns(clock.now())),
            }
        )

    def check(self) -> list[tuple[int, str]]:
        """Read everything and return the damaged lines: number and what is wrong."""
        self._read()
        cut = self.path.exists() and self.path.stat().st_size > self._offset
        return [*self.damaged, *([(self._lines + 1, "it was cut short")] if cut else [])]

    def repair(self) -> tuple[int, Path]:
        """Move damaged lines to a file beside the store; return how many, and that file."""
        aside = self.path.with_name(self.path.name + ".damaged")
        if not self.check():
            return 0, aside
        try:
            count = self._move_damaged(aside)
        except OSError as error:
            raise self._failed("repaired", error) from error
        self._forget()
        self._read()
        return count, aside

    def _move_damaged(self, aside: Path) -> int:
        with self._locked():
            bad = {number for number, _ in self.check()}
            lines = self.path.read_bytes().splitlines(keepends=True)
            with aside.open("ab") as file:
                file.writelines(_ended(line) for n, line in enumerate(lines, 1) if n in bad)
                file.flush()
                os.fsync(file.fileno())
            partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            with partial.open("wb") as file:
                file.writelines(_ended(line) for n, line in enumerate(lines, 1) if n not in bad)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        return len(bad)

    # -- the file ---------------------------------------------------------------------------------

    def _append(self, row: dict[str, Any]) -> None:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        data = text.encode()
        line = b'{"sum":"%s","reply":%s}\n' % (_checksum(data).encode(), data)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._read()
                with self.path.open("ab+") as file:
                    size = file.seek(0, os.SEEK_END)
                    if size:
                        file.seek(size - 1)
                        # A line that a crash cut short must not swallow the next one.
                        if file.read(1) != b"\n":
                            line = b"\n" + line
                    file.write(line)
        except OSError as error:
            raise self._failed("written", error) from error
        self._read()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self.path.with_name(f".{self.path.name}.lock")):
                yield
        except StateError as error:
            raise ModelError(error.message, hint=error.hint) from error

    def _read(self) -> None:
        """Take in what was added to the file since it was last read."""
        with self._lock:
            self._take_added()

    def _take_added(self) -> None:
        try:
            about = self.path.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("read", error) from error
        if (about.st_ino, about.st_size) == (self._inode, self._offset):
            return
        if about.st_ino != self._inode or about.st_size < self._offset:
            self._forget()
        self._inode = about.st_ino
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except OSError as error:
            raise self._failed("read", error) from error
        for line in added.splitlines(keepends=True):
            if not self._take(line):
                break
            self._offset += len(line)
        started = self._lines or len(added) >= len(_PREFIX)
        if started and not self._found and not self._ours and not added.startswith(_PREFIX):
            self._forget()
            raise ModelError(
                f"{self.path} is no reply store: it begins with {added[:40]!r}",
                hint="check the path of `replies`",
            )

    def _take(self, line: bytes) -> bool:
        """Take in one line; return False for a last line that somebody may still be writing."""
        if not line.strip():
            self._lines += 1
            return True
        try:
            stored = _stored(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if not line.endswith(b"\n"):
                return False
            self.damaged.append((self._lines + 1, str(error) or type(error).__name__))
        else:
            self._found[stored.key] = stored
            self._questions[stored.question] = stored.prompt_hash
        self._ours = self._ours or line.startswith(_PREFIX)
        self._lines += 1
        return True

    def _forget(self) -> None:
        self.damaged, self._found, self._questions = [], {}, {}
        self._offset = self._lines = self._inode = 0
        self._ours = False

    def _failed(self, what: str, error: OSError) -> ModelError:
        hint = "check the path of `replies` and its permissions"
        return ModelError(f"{self.path} cannot be {what}: {error.strerror or error}", hint=hint)


def _stored(line: bytes) -> Stored:
    """Return the reply in a line, or raise what damaged lines raise."""
    match = _LINE.match(line)
    if match is None:
        raise ValueError("it is no line of a reply store")
    if _checksum(match[2]) != match[1].decode():
        raise ValueError("its checksum is wrong")
    row = json.loads(match[2])
    if row["v"] != _FORMAT:
        raise ValueError(f"its format {row['v']!r} is not known; it may come from a newer version")
    usage = row["usage"]
    if usage and not (len(usage) == 4 and all(type(n) is int and n >= 0 for n in usage)):
        raise ValueError(f"its usage is {usage!r}")
    return Stored(
        row["key"],
        row["question"],
        row["model"],
        row["prompt"],
        row["prompt_hash"],
        Status(row["status"]),
        row["text"],
        row["answer"],
        Usage(*usage) if usage else None,
        row["detail"],
        row["characters"],
        row["at"],
    )


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        # The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]
