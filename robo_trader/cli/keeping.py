"""`robo runs backup` and `robo runs prune`: copy the journal, and remove what is old."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from robo_trader import clock
from robo_trader.cli import out
from robo_trader.cli.help import example
from robo_trader.cli.options import ConfigFile, Out
from robo_trader.cli.places import runs_folder
from robo_trader.errors import RunError, UsageError

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it only says what it would do.")]


@example("robo runs backup", "robo runs backup --to /mnt/backup/journal.sqlite")
def backup(
    target: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="The new file (default: .robo/backups/<time>.sqlite)."),
    ] = None,
    config_file: ConfigFile = None,
) -> None:
    """Copy the journal of paper and live sessions to one SQLite file and print where it is."""
    from robo_trader.journal.keeping import back_up

    out.write(str(back_up(target or _backup_place(), journal_url(config_file))))


@example("robo runs prune --older-than 90d", "robo runs prune --older-than 90d --keep 20 --yes")
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="90d", help="Only runs that were begun longer ago.")
    ],
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", help="Never the last N run directories.", min=0)
    ] = 10,
    sessions: Annotated[
        bool,
        typer.Option(
            "--sessions", help="Paper and live sessions of the journal, too; it is backed up first."
        ),
    ] = False,
    yes: Yes = False,
    folder: Out = None,
    config_file: ConfigFile = None,
) -> None:
    """Remove old run directories; with --sessions also old sessions from the journal."""
    from robo_trader.config import parse_duration

    before = clock.now() - parse_duration(older_than, "--older-than")
    verb = "removed" if yes else "would remove"
    gone = _old_folders(runs_folder(folder, config_file), before, keep)
    for path in gone:
        if yes:
            _remove(path)
        out.write(f"{verb} {path}")
    count = len(gone) + (_prune_sessions(journal_url(config_file), before, yes) if sessions else 0)
    if not count:
        out.note(f"nothing was begun before {before:%Y-%m-%d %H:%M}Z that may go")
    elif not yes:
        out.note("nothing was removed; add --yes to do it")


def journal_url(config_file: str | None = None) -> str | None:
    """Return where the configured journal is, secrets filled in; None for the default file."""
    from robo_trader.config import load_config

    url: str | None = load_config(config_file).resolve("journal.url")
    return url


def _backup_place() -> Path:
    return Path(".robo") / "backups" / f"{clock.now():%Y%m%dT%H%M%SZ}.sqlite"


def _old_folders(parent: Path, before: datetime, keep: int) -> list[Path]:
    from robo_trader.runs import list_runs

    rows: list[Any] = [row for row in list_runs(parent) if not row.problem] if parent.is_dir() else []
    candidates = rows[: len(rows) - keep] if keep else rows
    return [row.path for row in candidates if row.started is not None and row.started < before]


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be removed: {error.strerror or error}", hint="check its permissions"
        ) from error


def _prune_sessions(url: str | None, before: datetime, yes: bool) -> int:
    from robo_trader.journal.keeping import back_up, old_runs, remove_runs
    from robo_trader.journal.reading import read_journal

    if clock.now() - before < timedelta(days=1):
        raise UsageError("sessions are kept for a day at least", hint="--older-than 1d or more")
    with read_journal(url) as reader:
        old = old_runs(reader, before)
    if old and yes:
        out.write(f"backed up to {back_up(_backup_place(), url)}")
        remove_runs([row["number"] for row in old], url)
    for row in old:
        out.write(f"{'removed' if yes else 'would remove'} {row['mode']} session {row['id']}")
    return len(old)
