"""What the documentation says is so: links resolve, commands exist, code runs.

Fenced blocks are checked by their language: `python` compiles, and a block that begins with an import is
a whole program and runs (a file without `__main__` that defines a strategy is loaded and backtested);
`bash` may call `robo` only with commands and options that exist; `toml` and `json` parse.
An HTML comment that begins with "not run:" above a block says why it is only compiled.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/robo backtest",
    "python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt && .venv/bin/python -m pytest",
)
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("plugins/*/README.md"),
        *ROOT.glob("strategies/*/README.md"),
    ]
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, its first line's number, and why not to run it."""

    page: Path
    language: str
    text: str
    line: int
    not_run: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


_FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>.+?) -->\n+)?^```(?P<lang>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)


def _blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match["lang"] in languages:
                line = text.count("\n", 0, match.start("text")) + 1
                found.append(Block(page, match["lang"], match["text"], line, match["why"] or ""))
    return found


def _first_screen() -> str:
    return README.partition("\n## ")[0]


def _anchor(heading: str) -> str:
    """Return a heading's anchor in the way that repository hosts make it."""
    words = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


# --- the README's first screen


def test_first_screen_has_exactly_the_two_commands() -> None:
    blocks = [b for b in _blocks("bash", "sh", "console", "") if b.page.name == "README.md"]
    shown = [b.text.strip() for b in blocks if b.text.strip() in _first_screen()]
    assert shown == list(COMMANDS)
    assert README.count("python3 -m venv") == 2


def test_first_screen_is_one_sentence_a_picture_and_a_short_strategy() -> None:
    screen = _first_screen()
    title, sentence, picture = [part for part in screen.split("\n\n") if part.strip()][:3]
    assert title == "# robo_trader"
    assert sentence.endswith(".") and ". " not in sentence
    image = re.fullmatch(r"!\[.+\]\((.+)\)", picture)
    assert image and (ROOT / image[1]).stat().st_size > 10_000
    code = re.findall(r"^```python\n(.*?)^```$", screen, flags=re.M | re.S)
    assert len(code) == 1 and len(code[0].splitlines()) <= 25
    assert len(screen.splitlines()) <= 50


# --- links


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(ROOT):
            broken.append(target)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
            if anchor not in map(_anchor, headings):
                broken.append(target)
    assert not broken


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = set(re.findall(r"\]\(([^)#\s]+)", index.read_text(encoding="utf-8")))
    pages = {p.relative_to(index.parent).as_posix() for p in index.parent.rglob("*.md") if p != index}
    assert pages <= linked


# --- code


@pytest.mark.parametrize("block", _blocks("python", "py"), ids=str)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", _blocks("toml"), ids=str)
def test_toml_parses(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", _blocks("json", "jsonl"), ids=str)
def test_json_parses(block: Block) -> None:
    rows = block.text.splitlines() if block.language == "jsonl" else [block.text]
    assert all(json.loads(row) is not None for row in rows if row.strip())


def _programs() -> list[Block]:
    start = re.compile(r'(?:#.*\n|"""(?:.|\n)*?"""\n|\s)*(?:import|from) ')
    return [b for b in _blocks("python") if start.match(b.text) and not b.not_run]


@pytest.mark.parametrize("block", _programs(), ids=str)
def test_programs_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import backtrader as bt

    from robo_trader import backtest

    monkeypatch.chdir(tmp_path)
    module = ModuleType("robo_docs_program")  # Backtrader looks a strategy's module up by name
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block.text, str(block), "exec"), module.__dict__)
    strategies = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, bt.Strategy) and value.__module__ == module.__name__
    ]
    for strategy in strategies:
        result = backtest(
            strategy,
            symbols=["SPY", "QQQ"],
            events="bundled",
            start="2016-01-01",
            end="2019-12-31",
            save=False,
        )
        assert len(result.trades), f"{strategy.__name__} in {block} never traded"


def _robo_calls() -> list[tuple[str, str]]:
    calls = []
    for block in _blocks("bash", "sh", "console", "powershell", "bat", "cmd"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\|?|;", line.partition(" #")[0]):
                match = re.search(r"(?:^|[\s/\\])robo(?:\.exe)?((?:\s.*)?)$", part)
                if match and not match[1].strip().startswith("--help"):
                    calls.append((f"{block}: {part.strip()}", match[1].strip()))
    return calls


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in _robo_calls()])
def test_robo_commands_exist(words: str) -> None:
    """Walk down to the command and look each option up; nothing is run."""
    from robo_trader.cli.app import build

    command, path, args = build(), "robo", shlex.split(re.sub(r"\s[<>].*$", "", words))
    context = command.make_context(path, list(args), resilient_parsing=True)
    while hasattr(command, "list_commands") and args and not args[0].startswith("-"):
        assert args[0] in command.list_commands(context), f"there is no command '{path} {args[0]}'"
        path, command, args = f"{path} {args[0]}", *command.resolve_command(context, args)[1:]
        context = command.make_context(path, list(args), parent=context, resilient_parsing=True)
    known = {spelling for p in command.get_params(context) for spelling in (*p.opts, *p.secondary_opts)}
    unknown = {arg.partition("=")[0] for arg in args if arg.startswith("-")} - known - {"--debug"}
    assert not unknown, f"{path} has no {', '.join(sorted(unknown))}"


# --- examples


EXAMPLES = [*(ROOT / "examples").glob("*.py"), ROOT / "examples" / "fed_meetings" / "fed_meetings.py"]


@pytest.mark.parametrize("file", sorted(EXAMPLES), ids=lambda p: p.name)
def test_examples_run(file: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", ["moving_average.py", "old_script.py"])
def test_example_strategies_run_from_the_command_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from robo_trader.cli.main import main

    monkeypatch.chdir(tmp_path)
    words = ["backtest", str(ROOT / "examples" / name), "--symbols", "SPY", "--no-report", "--json"]
    assert main(words) == 0
    run = json.loads(capsys.readouterr().out)
    assert (Path(run["run_dir"]) / "trades.csv").read_text().count("\n") > 3


def test_every_example_is_described() -> None:
    described = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"[{file.name}]({file.name})" in described for file in (ROOT / "examples").glob("*.py"))
    assert "[fed_meetings/](fed_meetings/README.md)" in described


def test_the_page_on_the_meetings_says_what_its_program_finds() -> None:
    """A page of results is written by its program and by nobody's hand."""
    if not os.environ.get("ROBO_TEST_DATA"):
        pytest.skip("needs ROBO_TEST_DATA")
    program = ROOT / "examples" / "fed_meetings" / "results.py"
    run = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    written = (ROOT / "docs" / "results" / "fed_meetings.md").read_text(encoding="utf-8")
    assert run.stdout == written, f"run: python {program.relative_to(ROOT)} docs/results/fed_meetings.md"
