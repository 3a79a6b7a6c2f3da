"""`robo events` and words that would act on a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ESCAPES = "\x1b]0;owned\x07\x1b[31mApple cuts its guidance\u202e"


@pytest.mark.parametrize("verb", ["list", "show"])
def test_no_title_source_or_body_acts_on_the_terminal(
    robo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"id": "abc", "kind": "news", "title": ESCAPES, "body": ESCAPES, "source": "s\x1b[2Jx",
           "published_at": "2024-01-02T10:00:00Z"}  # fmt: skip
    Path("some.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert robo("events", "import", "some.jsonl").code == 0
    shown = robo("events", verb, *(["abc"] if verb == "show" else [])).out
    assert "Apple cuts its guidance" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
