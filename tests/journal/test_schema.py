"""The schema: one description, made in three ways that agree; newer, older, foreign and damaged journals."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from robo_trader.errors import ConfigError, JournalError
from robo_trader.journal import bulk, migrating, schema, sqlite_statements
from robo_trader.journal.database import open_database
from robo_trader.journal.live import open_journal
from robo_trader.journal.reading import read_file
from robo_trader.journal.tables import HEAD, REVISIONS, TABLES, reference_markdown


def make_older(path: Path, revision: str) -> None:
    """Make a journal as an earlier version left it."""
    database = open_database(str(path))
    script = migrating._script()
    with database.writing() as connection:
        context = MigrationContext.configure(
            connection, opts={"fn": lambda now, _: script._upgrade_revs(revision, now)}
        )
        with Operations.context(context):
            context.run_migrations()
    database.close()


def objects(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [
        (kind, name, re.sub(r"\s+(?=\))|(?<=\()\s+|\s+", _gap, (sql or "").strip()))
        for kind, name, sql in rows
    ]


def _gap(match: re.Match[str]) -> str:
    """White space inside a bracket's edge means nothing; elsewhere it is one space."""
    at, text = match.start(), match.string
    return "" if text[at - 1] == "(" or text[match.end() : match.end() + 1] == ")" else " "


def test_the_generated_statements_are_those_of_the_tables() -> None:
    before, after = schema.sqlite_statements()
    hint = "write schema.sqlite_module() to sqlite_statements.py, and format it"
    assert (tuple(before), tuple(after)) == (sqlite_statements.BEFORE, sqlite_statements.AFTER), hint


def test_the_module_of_statements_can_be_written_anew() -> None:
    made: dict[str, Any] = {}
    exec(schema.sqlite_module(), made)
    assert (made["BEFORE"], made["AFTER"]) == (sqlite_statements.BEFORE, sqlite_statements.AFTER)


def test_new_migrated_and_bulk_journals_are_alike(tmp_path: Path) -> None:
    open_journal(str(tmp_path / "new.sqlite"), folder=tmp_path).close()
    make_older(tmp_path / "old.sqlite", REVISIONS[0])
    open_journal(str(tmp_path / "old.sqlite"), folder=tmp_path).close()
    bulk.write_journal(tmp_path / "bulk.sqlite", {})
    assert objects(tmp_path / "new.sqlite") == objects(tmp_path / "old.sqlite")
    assert objects(tmp_path / "new.sqlite") == objects(tmp_path / "bulk.sqlite")
    with open_journal(str(tmp_path / "bulk.sqlite"), folder=tmp_path) as journal:
        assert journal.backup is None


def test_the_revisions_are_those_that_alembic_finds() -> None:
    found = [revision.revision for revision in migrating._script().walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS and REVISIONS[-1] == HEAD


def test_an_older_journal_is_backed_up_and_migrated(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    make_older(path, REVISIONS[0])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO halts VALUES ('h', NULL, '2024', 'ACTIVE', 'me', 'why', NULL)")
        connection.commit()
    with open_journal(str(path), folder=tmp_path) as journal:
        assert isinstance(journal.backup, Path) and f"schema-{REVISIONS[0]}" in journal.backup.name
        with closing(sqlite3.connect(journal.backup)) as copy:
            assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[0],)]
            assert copy.execute("SELECT halt_id FROM halts").fetchall() == [("h",)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        assert connection.execute("SELECT halt_id FROM halts").fetchall() == [("h",)]


def test_a_step_that_fails_leaves_the_older_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    make_older(path, REVISIONS[0])
    with closing(sqlite3.connect(path)) as connection:
        # The second step wants to make a trigger of this name.
        connection.execute("CREATE TRIGGER fills_append_only BEFORE INSERT ON fills BEGIN SELECT 1; END")
    with pytest.raises(JournalError, match="already exists"):
        open_journal(str(path), folder=tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[0],)]
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    assert triggers == [("fills_append_only",)]


def test_a_newer_journal_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    bulk.write_journal(path, {})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
        connection.commit()
    with pytest.raises(JournalError, match="has schema 0099, this version knows up to") as caught:
        open_journal(str(path), folder=tmp_path)
    assert "upgrade robo_trader" in caught.value.hint
    assert list(tmp_path.glob("*.schema-*")) == []


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    with pytest.raises(JournalError, match="no journal of robo_trader: it holds customers"):
        open_journal(str(path), folder=tmp_path)


def test_a_corrupt_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database, but long enough to look at " * 40)
    with pytest.raises(JournalError, match=r"journal\.sqlite: file is not a database") as caught:
        open_journal(str(path), folder=tmp_path)
    assert "restore a backup" in caught.value.hint


def test_a_file_that_is_damaged_inside_is_named_by_writer_and_reader(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    bulk.write_journal(path, {})
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with pytest.raises(JournalError, match="malformed") as caught:
        open_journal(str(path), folder=tmp_path)
    assert "restore a backup" in caught.value.hint
    with pytest.raises(JournalError, match="malformed") as caught:
        read_file(path)
    assert "restore a backup" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="file"):
        open_journal(str(tmp_path / "file" / "x" / "journal.sqlite"), folder=tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres//x", "there is no journal of that kind"),
        ("postgresq://me:geheim@host/db", "did you mean 'postgresql'"),
        ("mysql://me:geheim@host/db", "write postgresql://"),
        ("postgresql://me:geheim@host:x/db", "write postgresql://"),
    ],
)
def test_a_url_that_names_no_journal(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        open_database(url)
    assert "geheim" not in str(caught.value)


def test_every_table_says_what_it_is() -> None:
    for table in TABLES:
        assert table.about and all(column.about for column in table.columns), table.name
        assert set(table.refers) <= set(table.names)


def test_the_documentation_has_every_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    assert reference_markdown().strip() in page, "append tables.reference_markdown() to docs/journal.md"


def test_a_backtest_and_a_reader_do_without_sqlalchemy() -> None:
    code = (
        "import sys, robo_trader.runs.journalling, robo_trader.journal.reading;"
        "print('sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
