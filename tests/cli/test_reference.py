"""docs/commands.md says what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from robo_trader.cli.app import COMMANDS
from robo_trader.cli.reference import main, page

DOCS = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    written = DOCS.read_text(encoding="utf-8")
    assert written == page(), "run: python -m robo_trader.cli.reference docs/commands.md"


def test_the_page_has_every_command() -> None:
    text = page()
    assert all(f"## `robo {name}`\n" in text for name in COMMANDS)
    assert "### `robo runs compare`" in text and "### `robo audit lookahead`" in text
    assert "\033" not in text


def test_it_is_the_same_in_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    before = page()
    monkeypatch.setenv("COLUMNS", "200")
    assert page() == before


def test_it_is_written_to_a_file_or_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page()
    main([])
    assert capsys.readouterr().out == page()
