"""The table of commands and the group that imports a command's module only when it is called.

`robo --help` is drawn from the table alone: no command module is imported for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from robo_trader.cli.help import Interrupted, RoboCommand, RoboGroup, bold, example


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, the module in this package whose `app` it is, and its line of help."""

    name: str
    section: str
    summary: str
    module: str = ""

    def load(self) -> Any:
        """Import the module and return the parser's command, named as in this table."""
        module = importlib.import_module(f"robo_trader.cli.{self.module or self.name}")
        command = typer.main.get_command(module.app)
        command.name = self.name
        return command


COMMANDS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("backtest", "Try", "Run a strategy over past bars; alone, run the demonstration."),
        Entry("ask", "Try", "Ask an analyst what a headline means; without a key, at once."),
        Entry("explain", "Try", "Tell why an order, a trade or a whole run happened."),
        Entry("runs", "Try", "List, show, compare, open, export, back up and prune finished runs."),
        Entry("new", "Build", "Start a strategy or a plugin as a package of its own."),
        Entry("plugins", "Build", "List what is installed and check one plugin."),
        Entry("data", "Build", "List bar files, find everything wrong with them, and fetch bars into files."),
        Entry("events", "Build", "Fetch news and other events, and see what was known when."),
        Entry(
            "audit",
            "Build",
            "Prove that a strategy does not look ahead, and that it trades live as in a backtest.",
        ),
        Entry("paper", "Trade", "Trade on paper: a rehearsal here, or a paper account through a gateway."),
        Entry("live", "Trade", "Trade through Interactive Brokers; a preview unless told to send."),
        Entry("gateway", "Trade", "Run a simulated Interactive Brokers gateway on this machine."),
        Entry(
            "status", "Trade", "Show the halt state, the sessions, and each limit with its use and headroom."
        ),
        Entry("halt", "Trade", "Stop trading now: no strategy's order passes until 'robo resume'."),
        Entry("resume", "Trade", "Let strategies trade again after a halt."),
        Entry("reconcile", "Trade", "Compare the journal with the broker's orders, fills and positions."),
        Entry("doctor", "Machine", "Find what is missing on this machine and how to mend it."),
        Entry("config", "Machine", "Show every setting and where its value came from."),
        Entry("llm", "Machine", "Show the language models, what they cost and what they said."),
    )
}


class RootGroup(RoboGroup):
    """The group `robo`: commands come from `COMMANDS`, loaded one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a sketch of the command, name and help alone: enough for lists and completion."""
        entry = COMMANDS.get(cmd_name)
        return RoboCommand(cmd_name, help=entry.summary) if entry else None

    def load(self, name: str) -> Any:
        """Import and return the command that is called."""
        return COMMANDS[name].load()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table, section by section, without importing any command."""
        width = max(len(name) for name in COMMANDS)
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(bold(section)):
                rows = [(e.name.ljust(width), e.summary) for e in COMMANDS.values() if e.section == section]
                formatter.write_dl(rows)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        sys.stdout.write(f"robo_trader {version('robo_trader')}\n")
        raise typer.Exit()


@example("robo backtest", "robo backtest my_strategy.py --bars data --symbols SPY,QQQ")
def robo(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may also stand after COMMAND.")
    ] = False,
) -> None:
    """Backtest strategies on honest time, and see why every trade happened."""


_COMPLETION = {
    "install_completion": "Teach this shell to complete commands and options.",
    "show_completion": "Print what that would install.",
}


def build() -> Any:
    """Return the parser of the whole command line, with shell completion."""
    app = typer.Typer(
        cls=RootGroup,
        name="robo",
        no_args_is_help=False,
        invoke_without_command=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(robo)
    command: Any = typer.main.get_command(app)
    for param in command.params:
        param.help = _COMPLETION.get(param.name, param.help)
    return command


def run(args: Sequence[str]) -> int:
    """Parse `args`, run the command and return its exit code; errors are the caller's."""
    try:
        words = list(args) or ["--help"]
        result = build().main(args=words, prog_name="robo", standalone_mode=False, obj=tuple(words))
    except Interrupted as wrapped:
        raise wrapped.cause from None
    return result if isinstance(result, int) else 0
