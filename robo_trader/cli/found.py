"""Find a run wherever it is: a run directory, or a session in the configured journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robo_trader.cli.keeping import journal_url
from robo_trader.cli.places import runs_folder
from robo_trader.errors import JournalError, RunError

if TYPE_CHECKING:
    from robo_trader.journal.reading import Reader
    from robo_trader.runs import StoredRun


@dataclass(frozen=True, slots=True)
class Found:
    """A run by its id; `run` is its directory read back, None for a session of the journal."""

    id: str
    run: StoredRun | None
    url: str | None = None

    @contextmanager
    def reading(self) -> Iterator[tuple[Reader, int]]:
        """Give a reader of the journal that holds it, and its number there."""
        from robo_trader.journal.reading import read_file, read_journal

        if self.run is not None:
            reader = read_file(self.run.run_dir / "journal.sqlite")
        else:
            reader = read_journal(self.url)
        with reader:
            row = reader.run(self.id)
            if row is None:
                raise JournalError(f"{reader.place}: holds no run {self.id}", hint="see 'robo runs list'")
            yield reader, row["number"]


def find_anywhere(ref: str, folder: str | None, config_file: str | None) -> Found:
    """Return the run that `ref` means: first among the run directories, then among the sessions.

    Raises `RunError` where there is none, or several.
    """
    from robo_trader.runs import find_run

    try:
        run = find_run(runs_folder(folder, config_file), ref)
    except RunError as missing:
        session = _session(ref, journal_url(config_file))
        if session is None:
            raise missing from None
        return session
    return Found(run.id, run)


def _session(ref: str, url: str | None) -> Found | None:
    """Return the one session whose id or last six digits begin with `ref`, or None."""
    if ref == "last" or (url is None and not (Path(".robo") / "journal.sqlite").is_file()):
        return None
    from robo_trader.journal.reading import read_journal

    with read_journal(url) as reader:
        rows: list[dict[str, Any]] = [
            row
            for row in reader.rows("runs")
            if row["id"].startswith(ref) or row["id"].rpartition("-")[2].startswith(ref)
        ]
        place = reader.place
    exact = [row for row in rows if row["id"] == ref] or rows
    if len(exact) > 1:
        names = ", ".join(row["id"] for row in exact[:5])
        raise RunError(f"{place}: {len(exact)} sessions fit {ref!r}: {names}", hint="give more of the id")
    return Found(exact[0]["id"], None, url) if exact else None
