"""The prompts: one for each kind, each with id, version and a hash of all that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from robo_trader.errors import ModelError
from robo_trader.intelligence.answer import HORIZONS
from robo_trader.intelligence.prompts import COMMON, FOLDER, KINDS, load_prompt


def test_every_kind_has_a_prompt_of_its_own() -> None:
    prompts = [load_prompt(kind) for kind in KINDS]
    assert [prompt.id for prompt in prompts] == list(KINDS)
    assert len({prompt.hash for prompt in prompts}) == len(KINDS)
    assert {path.stem for path in FOLDER.glob("*.md")} == {*KINDS, "common"}


def test_the_prompts_speak_of_what_the_schema_asks_for() -> None:
    text = load_prompt("news").text
    for word in ("score", "confidence", "horizon", "rationale", "evidence", "label", *HORIZONS):
        assert word in text


@pytest.mark.parametrize("name", ["news.md", COMMON])
def test_an_edit_changes_the_hash(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(
        (FOLDER / name).read_text(encoding="utf-8") + "\nOne more.\n", encoding="utf-8"
    )
    assert load_prompt("news", tmp_path).hash != load_prompt("news").hash
    assert "One more." in load_prompt("news", tmp_path).text


def test_what_a_folder_of_ones_own_lacks_is_taken_from_here(tmp_path: Path) -> None:
    assert load_prompt("fomc", tmp_path) == load_prompt("fomc")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Judge the news.", "begins with lines of TOML"),
        ("", "begins with lines of TOML"),
        ("+++\nid = \n+++\nJudge.", "its head is not valid TOML"),
        ('+++\nid = "fomc"\nversion = 1\n+++\nJudge.', "id = 'fomc'"),
        ('+++\nid = "news"\n+++\nJudge.', "version = None"),
        (b"+++\n\xff\n+++\n", "is not UTF-8"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "news.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError) as caught:
        load_prompt("news", tmp_path)
    assert said in str(caught.value) and "news.md" in str(caught.value)
