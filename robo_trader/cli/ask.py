"""`robo ask`: what a headline means to an analyst, with its reasons."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from robo_trader.cli import out
from robo_trader.cli.help import RoboCommand, example, single
from robo_trader.cli.options import ConfigFile, Json
from robo_trader.errors import EventError, UsageError, did_you_mean

if TYPE_CHECKING:
    from robo_trader.config import Config
    from robo_trader.intelligence.analyst import Analyst
    from robo_trader.intelligence.asking import Answer, Asker

app = single()

_KINDS = ("news", "earnings", "fomc", "macro", "filing", "social")


@app.command(cls=RoboCommand)
@example(
    'robo ask "Apple cuts its guidance" --symbol AAPL',
    "robo ask --file sentences.txt --json",
)
def ask(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="What to judge, with or without quotes.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Judge each line of FILE; '-' is stdin.")
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol", metavar="SYMBOL", help="Whom it is about (default: every instrument)."),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="|".join(_KINDS), help="What kind of event it is (default news).")
    ] = "news",
    analyst: Annotated[
        str | None,
        typer.Option("--analyst", metavar="NAME", help="Whom to ask (default: [intelligence] analyst)."),
    ] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Ask an analyst what a headline means: a score from -1 (bad) to 1 (good), and why.

    The offline analyst, who is asked by default, needs no key and no network. With --file each line is a
    text of its own; with --json each answer is one line of JSON: text, symbol, score, confidence,
    horizon_days and because, or abstain with its reason.
    """
    words = " ".join(text or ()).strip()
    if bool(words) == (file is not None):
        raise UsageError(
            "there is nothing to judge" if not words else "both a text and --file are given",
            hint='write robo ask "Apple cuts its guidance", or --file FILE',
        )
    if symbol is not None and not symbol.strip():
        raise UsageError(f"--symbol is {symbol!r}", hint="write --symbol AAPL, or leave it out")
    from robo_trader.intelligence.asking import Asker

    name, chosen = _analyst(analyst, config_file)
    if kind not in chosen.kinds:
        hint = did_you_mean(kind, chosen.kinds) or f"it reads {', '.join(sorted(chosen.kinds))}"
        raise UsageError(f"the analyst {name!r} does not read the kind {kind!r}", hint=hint)
    with Asker(chosen, kind=kind, symbol=symbol) as asker:
        if file is not None:
            _lines(file, asker, as_json)
        else:
            answer = asker.ask(words)
            if as_json:
                out.print_json({**answer.as_dict(), "analyst": name})
            else:
                _tell(answer, name, chosen)


def _analyst(name: str | None, config_file: str | None) -> tuple[str, Analyst]:
    """Return the analyst that is asked; of several names, by comma, their ensemble."""
    from robo_trader.config import load_config
    from robo_trader.plugins import load_host

    settings: Config = load_config(config_file, flags={"intelligence.analyst": name})
    names = [part.strip() for part in str(settings.get("intelligence.analyst")).split(",") if part.strip()]
    if len(set(names)) < len(names):
        raise UsageError(f"--analyst names somebody twice: {', '.join(names)}", hint="name each once")
    host = load_host(settings)
    if len(names) == 1:
        return names[0], host.create("analyst", names[0])
    from robo_trader.intelligence.ensemble import EnsembleAnalyst

    return ", ".join(names), EnsembleAnalyst({name: host.create("analyst", name) for name in names})


def _tell(answer: Answer, name: str, analyst: Analyst) -> None:
    """Write the verdict and its reasons for a person."""
    if answer.abstain is not None:
        out.lines(f"{out.strong('abstains')}: {answer.abstain}")
    else:
        score, confidence = answer.score or 0.0, answer.confidence or 0.0
        word = "good" if score > 0 else "bad" if score < 0 else "neutral"
        whom = "" if answer.symbol == "*" else f" for {answer.symbol}"
        out.lines(
            f"{out.strong(f'{word}{whom}')}  score {score:+.2f}, confidence {confidence:.0%}{_days(answer)}"
        )
        for reason in answer.because.split("; "):
            out.lines(f"  - {reason}")
    out.lines(out.faint(f"analyst={name}{_measured(analyst)}"))


def _days(answer: Answer) -> str:
    if answer.horizon is None:
        return ""
    days = answer.horizon.total_seconds() / 86_400
    return f", for about {days:.0f} {'day' if round(days) == 1 else 'days'}"


def _measured(analyst: Analyst) -> str:
    """Return the analyst's own measured score in brackets, where it has one."""
    describe = getattr(analyst, "describe", None)
    said = describe().get("measured") if describe is not None else None
    return f" ({said})" if said else ""


def _lines(file: str, asker: Asker, as_json: bool) -> None:
    """Judge each line of a file, and write each answer as it is there."""
    wide = json.JSONEncoder(ensure_ascii=False).encode
    # A stream that is not UTF-8 gets escapes instead of question marks.
    encode = wide if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else json.dumps
    write = sys.stdout.write
    with _opened(file) as stream:
        for line in _decoded(stream, "stdin" if file == "-" else file):
            answer = asker.ask(line)
            write((encode(answer.as_dict()) if as_json else _row(answer)) + "\n")


def _row(answer: Answer) -> str:
    """Return one answer on one line: score, confidence, text, and why there is no score."""
    text = "".join(char if char.isprintable() else " " for char in " ".join(answer.text.split()))
    if answer.abstain is not None:
        return f"   -     -  {text}  ({answer.abstain})"
    return f"{answer.score:+.2f}  {answer.confidence:3.0%}  {text}"


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with open(file, "rb") as stream:
        yield stream


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of a stream of UTF-8; a byte that is none is an `EventError` that names its line."""
    for number, raw in enumerate(stream, 1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise EventError(
                f"{name}: line {number} is not UTF-8 (byte 0x{raw[error.start]:02x} at {error.start + 1})",
                hint="convert the file first, for example with iconv -f latin1 -t utf-8",
            ) from None
        yield (line.removeprefix("\ufeff") if number == 1 else line).rstrip("\r\n")
