"""How `--help` looks: an example first, then usage, then options in named sections.

Plain text through the parser's own formatter: it is fast, it wraps to the terminal, and the
command reference can be generated from it. Headings are bold on a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from robo_trader.cli.style import coloured
from robo_trader.errors import did_you_mean

_GENERAL = "Options"
F = TypeVar("F", bound=Callable[..., Any])


class Interrupted(Exception):
    """Carries a KeyboardInterrupt or BrokenPipeError past the parser, which would swallow it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


def example(*lines: str) -> Callable[[F], F]:
    """Give a command the example lines that its help opens with."""

    def mark(function: F) -> F:
        function.example = lines  # type: ignore[attr-defined]
        return function

    return mark


def bold(text: str) -> str:
    """Return `text` in bold when stdout is a terminal that wants colours."""
    import sys

    return f"\033[1m{text}\033[0m" if coloured(sys.stdout) else text


class _AsWritten:
    """Passes text on; the parser's own way loads pydantic and makes a schema for each option (70 ms)."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return `value`; an option that may be repeated and was not given is empty."""
        several = param.multiple or param.nargs == -1
        return () if value is None and several else list(value) if several else value


class _Help:
    """The help page that commands and groups share."""

    callback: Any
    help: str | None

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; those of plain text need nothing but to be passed on."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            kind = getattr(param, "type_descriptor", None)
            if kind is None or kind.parameter_info.parser is not None:
                continue
            if kind.annotation in (str, bool, list[str]):
                param._runtime_param = _AsWritten()
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write example, usage, text, arguments, commands and options."""
        lines = getattr(self.callback, "example", ())
        if lines:
            formatter.write(f"{bold('Example' if len(lines) == 1 else 'Examples')}:\n")
            formatter.write("".join(f"  {line}\n" for line in lines) + "\n")
        formatter.write_usage(ctx.command_path, self._usage(ctx), prefix=f"{bold('Usage')}: ")
        if self.help:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(self.help.strip())
        self._format_arguments(ctx, formatter)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)
        self._format_options(ctx, formatter)

    def _usage(self, ctx: Any) -> str:
        words = []
        for param in self._params(ctx, "argument"):
            name = _name(param) + ("..." if param.nargs != 1 else "")
            words.append(name if param.required else f"[{name}]")
        if isinstance(self, TyperGroup):
            words.append("COMMAND" if not self.invoke_without_command else "[COMMAND]")
        return " ".join([*words, "[OPTIONS]"])

    def _params(self, ctx: Any, kind: str) -> list[Any]:
        params: list[Any] = self.get_params(ctx)
        return [p for p in params if p.param_type_name == kind and not getattr(p, "hidden", False)]

    def _format_arguments(self, ctx: Any, formatter: Any) -> None:
        rows = [(_name(p), p.help or "") for p in self._params(ctx, "argument")]
        if rows:
            with formatter.section(bold("Arguments")):
                formatter.write_dl(rows)

    def _format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self._params(ctx, "option"):
            section = getattr(param, "rich_help_panel", None) or _GENERAL
            sections.setdefault(section, []).append((_spelling(param), param.help or ""))
        # What every command has stands last.
        for section, rows in sorted(sections.items(), key=lambda item: item[0] == _GENERAL):
            with formatter.section(bold(section)):
                formatter.write_dl(rows)


def _name(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _spelling(param: Any) -> str:
    """Return ``-o, --option VALUE`` or ``--yes / --no``."""
    text = ", ".join(sorted(param.opts, key=len))
    if param.secondary_opts:
        text += " / " + ", ".join(param.secondary_opts)
    return text if param.is_flag else f"{text} {_name(param)}"


class RoboCommand(_Help, TyperCommand):
    """A command with this project's help page."""


class RoboGroup(_Help, TyperGroup):
    """A group with this project's help page; Ctrl-C and a closed pipe reach `main` untouched."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one line for each command of the group."""
        rows = [(name, cmd.get_short_help_str(200)) for name, cmd in self.commands.items() if not cmd.hidden]
        with formatter.section(bold("Commands")):
            formatter.write_dl(rows)

    def load(self, name: str) -> Any:
        """Return the command that is called; `name` is one of `list_commands`."""
        return self.commands[name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and the rest; an unknown name is an error with a suggestion."""
        name, known = args[0], self.list_commands(ctx)
        if name in known:
            return name, self.load(name), args[1:]
        if ctx.resilient_parsing:
            return None, None, args[1:]
        near = did_you_mean(name, known) or f"there are {', '.join(known)};"
        return ctx.fail(f"no such command: {name} ({near} see '{ctx.command_path} --help')")

    def invoke(self, ctx: Any) -> Any:
        """Run the command; wrap what the parser would turn into an exit code of its own."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as cause:
            raise Interrupted(cause) from cause


def group(*, alone: bool = False) -> typer.Typer:
    """Return an empty group; `alone` says that it does something without a subcommand."""
    return typer.Typer(
        cls=RoboGroup, add_completion=False, rich_markup_mode=None, invoke_without_command=alone
    )


def single() -> typer.Typer:
    """Return an application that becomes one command."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)
