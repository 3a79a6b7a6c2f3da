"""The command reference: every command's `--help`, as one page of Markdown.

``python -m robo_trader.cli.reference docs/commands.md`` writes it; a test compares the page with
what the commands say. Without an argument it goes to stdout.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD = """# Commands

This page is made from the commands' own `--help` by `python -m robo_trader.cli.reference docs/commands.md`;
do not edit it by hand.

Data goes to stdout, prose and progress to stderr. `--json` prints JSON wherever a script may want it.
`--debug` may stand before or after any command and adds the traceback to an error. `NO_COLOR=1` turns
colours off. `robo --install-completion` teaches your shell to complete commands, options and strategies.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed: one line says what, the value seen and what to do next |
| 2 | wrong usage: the command line or the configuration has to change |
| 3 | refused by a gate or a limit |
| 130 | interrupted by Ctrl-C |
"""


def page() -> str:
    """Return the whole page; it does not depend on the terminal it is made in."""
    parts = [_HEAD]
    for path, text in _pages():
        level = "##" if path.count(" ") < 2 else "###"
        parts.append(f"{level} `{path}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _pages() -> Iterator[tuple[str, str]]:
    """Yield each command's words and its help, groups before their commands."""
    from robo_trader.cli.app import COMMANDS, build

    root = build()
    yield "robo", _help(root, "robo", None)
    parent = root.make_context("robo", [], resilient_parsing=True)
    for name, entry in COMMANDS.items():
        yield from _walk(entry.load(), name, parent)


def _walk(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield context.command_path, _help(command, name, parent)
    for verb, child in getattr(command, "commands", {}).items():
        yield from _walk(child, verb, context)


def _help(command: Any, name: str, parent: Any) -> str:
    """Return a help page as 80 columns without colours show it."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=78)
    text = re.sub("\033\\[[0-9;]*m", "", context.get_help())
    return "\n".join(line.rstrip() for line in text.splitlines())


def main(argv: list[str]) -> int:
    """Write the page to the file named, or to stdout."""
    if argv:
        Path(argv[0]).write_text(page(), encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
