"""`robo explain`: why an order, a trade or a whole run happened, from the run's own tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json, Out, run_names
from robo_trader.errors import UsageError

app = single()

_THING = re.compile(r"(trade|order)s?[-\s]?(\d+)")
_GRAMMAR = "say 'trade 3', 'order 12', 'RUN' or 'RUN#trade-3'"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained: a run (by reference) and, within it, one trade or order or all."""

    run: str = "last"
    kind: Literal["run", "trade", "order"] = "run"
    number: int = 0


@app.command(cls=RoboCommand)
@example("robo explain last", "robo explain trade 3", "robo explain order 12 --run 20240918T1500")
def explain(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT", help="trade N, order N, a RUN, or RUN#trade-N (default: the last run)."
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="The run: the beginning of its id, its folder, or last.",
            autocompletion=run_names,
        ),
    ] = None,
    folder: Out = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Tell why an order, a trade or a whole run happened.

    WHAT is 'trade 3' or 'order 12' (of the last run, or of --run), a run, or both in one word:
    'RUN#trade-3'. A run is named by 'last', the beginning of its id, its last six digits or its
    folder. A paper or live session is found in the journal by its id.
    """
    question = parse(what or [], run)
    from robo_trader.cli import story
    from robo_trader.cli.found import find_anywhere

    found = find_anywhere(question.run, folder, config_file)
    if as_json:
        out.print_json(story.plain_facts(story.facts_of(found, question.kind, question.number)))
    else:
        _tell(story.lines_of(found, question.kind, question.number))


def parse(words: list[str], run: str | None = None) -> Question:
    """Return what `words` ask for; raise `UsageError` when they ask for nothing known.

    >>> parse(["trade", "3"], "last")
    Question(run='last', kind='trade', number=3)
    >>> parse(["20240918T1500#order-12"])
    Question(run='20240918T1500', kind='order', number=12)
    """
    said = " ".join(words).strip()
    named, hash_, thing = said.partition("#")
    if not hash_:
        match = re.fullmatch(rf"(?:(.*\S)\s+)?({_THING.pattern})", said, re.IGNORECASE)
        named, thing = (match[1] or "", match[2]) if match else (said, "")
    named = named.strip()
    if named and run is not None:
        raise UsageError(f"two runs are named: {named!r} and --run {run!r}", hint=_GRAMMAR)
    ref = named or run or "last"
    if not thing:
        if hash_ or len(words) > 1 or ref.lower() in ("trade", "order"):
            raise UsageError(f"what is {said!r}?", hint=_GRAMMAR)
        if named.isdigit() and len(named) < 6:
            raise UsageError(
                f"{named} may be a trade or an order", hint=f"say 'trade {named}' or 'order {named}'"
            )
        return Question(ref)
    asked = _THING.fullmatch(thing.strip().lower())
    if asked is None:
        raise UsageError(f"what is {thing!r}?", hint=_GRAMMAR)
    return Question(ref, "trade" if asked[1] == "trade" else "order", int(asked[2]))


def _tell(lines: list[str]) -> None:
    first, *rest = map(out.harmless, lines)
    out.lines(out.strong(first))
    out.lines("\n".join(rest))
