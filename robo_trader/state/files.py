"""State in files: one small JSON file per key, replaced atomically, under one lock.

A reader needs no lock, for a file is always a whole one. A value is on the disk when `put` returns,
but for heartbeats, which are worth nothing after a power cut. A removed key leaves its version behind,
so that versions only grow. Where the folder lies on a network drive without locks, use Redis.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from robo_trader.clock import monotonic
from robo_trader.errors import StateError
from robo_trader.state.store import State, StateConflict, Stored, check_key, encode

#: How long a change waits for the lock, in seconds.
LOCK_TIMEOUT = 10.0
_PLAIN = re.compile(r"[^a-z0-9_-]")
_ENDING = ".json"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FileState(State):
    """A store in `folder`, which is made when something is first written to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.place = str(self.folder)
        self._thread_lock = threading.Lock()

    def get(self, key: str) -> Stored | None:
        """Return what is stored under `key`, or None."""
        document = self._read(check_key(key))
        return Stored(document["value"], document["version"]) if "value" in document else None

    def put(self, key: str, value: Any, *, expected: int | None = None) -> int:
        """Store `value` and return its version; see `State.put`."""
        text = encode(check_key(key), value)
        with self._locked():
            before = self._expect(key, expected)
            self._write(key, f'{{"version": {before + 1}, "value": {text}}}\n')
        return before + 1

    def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Remove `key` and tell whether it was there; see `State.delete`."""
        check_key(key)
        if not self.folder.is_dir() and not expected:
            return False
        with self._locked():
            before = self._expect(key, expected)
            there = "value" in self._read(key)
            if there:
                self._write(key, f'{{"version": {before + 1}}}\n')
        return there

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""
        try:
            names = [name for name in os.listdir(self.folder) if name.endswith(_ENDING)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(self.folder, "read", error) from error
        found = sorted(unquote(name.removesuffix(_ENDING)) for name in names if not name.startswith("."))
        return [key for key in found if key.startswith(prefix) and self.get(key) is not None]

    # -- one file --------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        # Capitals too, for file systems that do not tell them apart.
        def quote(match: re.Match[str]) -> str:
            return "".join(f"%{byte:02X}" for byte in match[0].encode())

        return self.folder / (_PLAIN.sub(quote, key) + _ENDING)

    def _read(self, key: str) -> dict[str, Any]:
        path = self._path(key)
        try:
            document = json.loads(path.read_bytes())
            if not isinstance(document["version"], int):
                raise ValueError("its version is no whole number")
        except FileNotFoundError:
            return {"version": 0}
        except OSError as error:
            raise self._failed(path, "read", error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"{path}: is damaged: {error}", hint="move the file away; what it held is set or found anew"
            ) from error
        found: dict[str, Any] = document
        return found

    def _expect(self, key: str, expected: int | None) -> int:
        """Return the version stored now, or raise `StateConflict`."""
        document = self._read(key)
        version: int = document["version"]
        seen = version if "value" in document else 0
        if expected is not None and expected != seen:
            raise StateConflict(key, expected, seen)
        return version

    def _write(self, key: str, text: str) -> None:
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                if not key.startswith("heartbeat/"):
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise self._failed(path, "written", error) from error

    # -- the lock --------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock, against other threads and other processes."""
        path = self.folder / ".lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._thread_lock, locked(path):
                yield
        except OSError as error:
            raise self._failed(path, "locked", error) from error

    def _failed(self, path: Path, what: str, error: OSError) -> StateError:
        hint = "free some space" if error.errno in _FULL else "check the folder and its permissions"
        return StateError(f"{path}: cannot be {what}: {error.strerror or error}", hint=hint)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which is made if need be, against other threads and processes.

    Waits up to `LOCK_TIMEOUT` seconds, then raises `StateError`; ending the holder frees the lock.
    """
    with path.open("a+b") as file:
        began = monotonic()
        pause = 0.0001
        while not _try_lock(file.fileno()):
            if monotonic() - began > LOCK_TIMEOUT:
                raise StateError(
                    f"{path.parent}: another process has held the lock for {LOCK_TIMEOUT:g} seconds",
                    hint="look for a robo process that is stopped or hangs; ending it frees the lock",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.002)
        try:
            yield
        finally:
            _unlock(file.fileno())


if sys.platform == "win32":  # pragma: no cover - the other branch is
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
