"""`robo ask`: a verdict with its reasons, at once, without a key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Robo = Any

TEXT = "Apple cuts its guidance"


def test_a_verdict_with_reasons(robo: Robo) -> None:
    answer = robo("ask", TEXT, "--symbol", "AAPL")
    assert answer.code == 0 and answer.err == ""
    first, reason, who = answer.out.splitlines()
    assert first.startswith("bad for AAPL  score -0.") and "confidence" in first
    assert reason == "  - guidance: cuts its guidance"
    assert who.startswith("analyst=offline (macro-F1 0.9")


def test_a_verdict_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from robo_trader.cli.main import main\n"
        f"assert main(['ask', {TEXT!r}]) == 0\n"
        "print([m for m in ('numpy', 'pandas', 'sklearn') if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_nobody_is_asked_twice(robo: Robo) -> None:
    answer = robo("ask", TEXT, "--analyst", "offline,offline")
    assert answer.code == 2 and "names somebody twice" in answer.err


def test_words_need_no_quotes(robo: Robo) -> None:
    assert robo("ask", *TEXT.split()).out == robo("ask", TEXT).out


def test_an_abstention_says_why(robo: Robo) -> None:
    answer = robo("ask", "A recipe for apple pie")
    assert answer.code == 0 and answer.out.startswith("abstains: ")


def test_json(robo: Robo) -> None:
    found = json.loads(robo("ask", TEXT, "--symbol", "AAPL", "--json").out)
    assert found["symbol"] == "AAPL" and found["text"] == TEXT and found["analyst"] == "offline"
    assert -1 <= found["score"] < -0.5 and 0.5 < found["confidence"] <= 1
    assert "guidance" in found["because"] and found["horizon_days"] == 5


def test_the_kind_is_what_the_analyst_is_told(robo: Robo) -> None:
    text = "The Committee decided to lower the target range for the federal funds rate by 1/2 point"
    assert json.loads(robo("ask", text, "--kind", "fomc", "--json").out)["score"] > 0
    assert "did you mean 'news'?" in robo("ask", text, "--kind", "newz").one_error_line(2)


def test_a_line_of_json_for_each_line_of_a_file(robo: Robo, home: Path) -> None:
    lines = [
        "\ufeffAcme beats estimates",
        "",
        "FDA rejects Acme's drug\r",
        "Acme is based in Ohio",
        "Émile’s café",
    ]
    (home / "sentences.txt").write_bytes("\n".join(lines).encode())
    answer = robo("ask", "--file", "sentences.txt", "--symbol", "ACME", "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert [row["text"] for row in found] == [line.strip("\ufeff\r") for line in lines]
    assert [row["symbol"] for row in found] == ["ACME"] * 5
    assert found[0]["score"] > 0 > found[2]["score"]
    assert [("abstain" in row, "score" in row) for row in found[1::2]] == [(True, False), (True, False)]


def test_an_empty_file_gives_nothing(robo: Robo, home: Path) -> None:
    (home / "empty.txt").write_text("")
    assert robo("ask", "--file", "empty.txt", "--json").out == ""


def test_a_file_without_json_is_a_column_of_scores(robo: Robo, home: Path) -> None:
    (home / "sentences.txt").write_text("Acme beats estimates\nAcme \x1b[31mred\n", encoding="utf-8")
    good, other = robo("ask", "--file", "sentences.txt").out.splitlines()
    assert good.startswith("+0.") and good.endswith("Acme beats estimates")
    assert other.lstrip().startswith("-") and "\x1b" not in other


def test_a_bad_encoding_names_the_line(robo: Robo, home: Path) -> None:
    (home / "latin.txt").write_bytes(b"Acme beats estimates\ncaf\xe9\n")
    answer = robo("ask", "--file", "latin.txt", "--json")
    assert "latin.txt: line 2 is not UTF-8 (byte 0xe9 at 4)" in answer.one_error_line(1)
    assert len(answer.out.splitlines()) == 1


def test_a_missing_file_is_one_line(robo: Robo) -> None:
    assert "nowhere.txt" in robo("ask", "--file", "nowhere.txt").one_error_line(1)


@pytest.mark.parametrize("words", [(), (TEXT, "--file", "x"), (" ",), (TEXT, "--symbol", " ")])
def test_wrong_usage(robo: Robo, words: tuple[str, ...]) -> None:
    robo("ask", *words).one_error_line(2)


def test_an_unknown_analyst(robo: Robo) -> None:
    assert "did you mean 'offline'?" in robo("ask", TEXT, "--analyst", "offlin").one_error_line(1)


def test_suspicious_text_is_not_judged(robo: Robo) -> None:
    hidden = "Acme beats estimates\U000e0041\U000e0042"
    found = json.loads(robo("ask", hidden, "--json").out)
    assert found["abstain"].startswith("suspicious text") and found["flags"]
    assert "score" not in found


def test_the_configured_ensemble(robo: Robo, home: Path) -> None:
    (home / "robo.toml").write_text('[intelligence.ensemble]\nanalysts = ["offline"]\n')
    found = json.loads(robo("ask", TEXT, "--analyst", "ensemble", "--json").out)
    assert found["score"] < -0.5 and found["because"].startswith("offline -0.")


def test_standard_input(shell: Robo) -> None:
    answer = shell("ask", "--file", "-", "--json", input="Acme beats estimates\n\nAcme cuts jobs\n")
    assert answer.code == 0
    assert ["score" in json.loads(line) for line in answer.out.splitlines()] == [True, False, True]


def test_it_imports_neither_pandas_nor_backtrader(shell: Robo) -> None:
    code = "import sys; from robo_trader.cli.main import main; main(['ask', 'Acme beats estimates'])"
    import subprocess

    heavy = "{'pandas', 'backtrader', 'sklearn', 'matplotlib', 'anthropic', 'openai'}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print({heavy} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1] == "set()"
