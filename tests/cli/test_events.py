"""`robo events`: fetch from a loopback feed, list, show, import and export, and follow until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from .conftest import Robo

ITEM = "<item><guid>{0}</guid><title>{1}</title><pubDate>{2}</pubDate></item>"
LINE = '{"kind": "news", "title": "%s", "published_at": "2024-05-02T20:30:00Z", "symbols": ["AAPL"]%s}\n'


class Web:
    """A feed on the loopback: `items` can be changed, `asked` counts requests."""

    def __init__(self) -> None:
        self.date = "Thu, 02 May 2024 20:30:00 GMT"
        self.items = [("a", "Apple beats estimates by 12%"), ("b", "A quiet day")]
        self.asked = 0
        self.status = "200 OK"
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/feed"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection:
                    connection.recv(65_536)
                    self.asked += 1
                    inner = "".join(ITEM.format(*item, self.date) for item in self.items)
                    body = f'<rss version="2.0"><channel><title>x</title>{inner}</channel></rss>'.encode()
                    about = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    head = f"HTTP/1.1 {self.status}\r\n{about}"
                    connection.sendall(head.encode() + body)


@pytest.fixture
def web(home: Path) -> Iterator[Web]:
    made = Web()
    (home / "robo.toml").write_text(
        f'[events]\nsources = ["feeds"]\n[events.feeds]\nfeeds = ["{made.url}"]\n'
    )
    yield made
    with contextlib.suppress(OSError):
        made.socket.shutdown(socket.SHUT_RDWR)
    made.socket.close()


def test_fetch_list_show(web: Web, robo: Robo) -> None:
    done = robo("events", "fetch")
    assert done.code == 0, done.err
    assert "feeds  earnings [AAPL]  Apple beats estimates by 12%" in done.out
    assert "2 new events" in done.err
    again = robo("events", "fetch")
    assert again.code == 0
    assert again.out == ""
    listed = json.loads(robo("events", "list", "--json").out)
    assert [event["title"] for event in listed] == ["A quiet day", "Apple beats estimates by 12%"] or len(
        listed
    ) == 2
    apple = next(event for event in listed if event["symbols"] == ["AAPL"])
    assert apple["source"] == "feeds"
    assert apple["impact"] > 0.5
    assert "Apple beats" in robo("events", "list", "--symbols", "AAPL").out
    assert "knows of no such event" in robo("events", "list", "--symbols", "XYZ").err
    assert "knows of no such event" in robo("events", "list", "--as-of", "2024-05-03").err
    shown = robo("events", "show", apple["id"][:6])
    assert "kind earnings +0.40" in shown.out
    assert "told by     feeds" in shown.out
    assert json.loads(robo("events", "show", apple["id"], "--json").out)["impact_parts"]["figures"] == 0.1


def test_fetch_says_when_nothing_could_be_read(web: Web, robo: Robo) -> None:
    web.status = "500 Oops"
    done = robo("events", "fetch")
    assert done.code == 1
    assert "answered 500" in done.err
    assert "Traceback" not in done.err


def test_links_only_to_the_symbols_asked_for(web: Web, robo: Robo) -> None:
    done = robo("events", "fetch", "--symbols", "MSFT", "--json")
    assert [json.loads(line)["symbols"] for line in done.out.splitlines()] == [[], []]


def test_import_export_and_stories(home: Path, robo: Robo) -> None:
    (home / "in.jsonl").write_text(
        LINE % ("Apple beats estimates as sales rise", ', "source": "a"')
        + LINE % ("UPDATE 1-Apple beats estimates as sales rise", ', "source": "b"')
        + LINE % ("Apple opens a store in Mumbai", ', "known_at": "2024-05-02T20:31:30Z"')
    )
    assert robo("events", "import", "in.jsonl").out.startswith("3 of 3 events were new to .robo")
    assert robo("events", "import", "in.jsonl").out.startswith("0 of 3 events were new")
    assert len(json.loads(robo("events", "list", "--json").out)) == 3
    stories = json.loads(robo("events", "list", "--stories", "--json").out)
    assert [story["sources"] for story in stories] == [["a", "b"], ["in"]]
    assert len(json.loads(robo("events", "list", "--json", "--as-of", "2024-05-02T20:31:10Z").out)) == 2
    done = robo("events", "export", "out.jsonl")
    assert done.code == 0
    assert "2 of them without a recorded arrival" in done.err
    rows = [json.loads(line) for line in (home / "out.jsonl").read_text().splitlines()]
    assert sorted("known_at" in row for row in rows) == [False, False, True]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("list",), "there is no event store", 1),
        (("show", "abc"), "there is no event store", 1),
        (("import", "missing.jsonl"), "there is no events file", 1),
        (("fetch",), "no event source is named", 2),
        (("fetch", "yaho"), "did you mean 'yahoo'?", 2),
        (("fetch", "calendar"), "has no files", 2),
        (("list", "--as-of", "now"), "is no time", 2),
        (("list", "--as-of", "2024-05-02T10:00"), "has no time zone", 2),
    ],
)  # fmt: skip
def test_refusals_are_one_line(home: Path, robo: Robo, words: tuple[str, ...], said: str, code: int) -> None:
    assert said in robo("events", *words).one_error_line(code)
    assert not (home / ".robo" / "events.sqlite").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals to a child need POSIX")
def test_follow_ends_in_order_and_loses_nothing(web: Web, home: Path, robo: Robo) -> None:
    """Ctrl-C right after the first batch: it is stored, the cursor is written, and a restart doubles
    nothing."""
    assert sorted(row["title"] for row in follow(home)) == ["A quiet day", "Apple beats estimates by 12%"]
    web.items.append(("c", "Tesla recalls cars"))
    assert [row["title"] for row in follow(home)] == ["Tesla recalls cars"]
    assert len(json.loads(robo("events", "list", "--json").out)) == 3


@pytest.mark.skipif(os.name == "nt", reason="signals to a child need POSIX")
def test_an_analyst_reads_what_comes(web: Web, home: Path) -> None:
    web.date = format_datetime(datetime.now(UTC))
    (told,) = follow(home, "--analyst", "offline", "--symbols", "AAPL,MSFT")
    assert (told["number"], told["name"], told["symbol"]) == (1, "news", "AAPL")
    assert 0 < told["value"] <= 0.30 and len(told["evidence"]) == 1


def follow(home: Path, *more: str) -> list[dict[str, Any]]:
    """Return what `robo events fetch --follow` prints until Ctrl-C, which comes after its first line."""
    child = subprocess.Popen(
        [sys.executable, "-m", "robo_trader", "events", "fetch", "--follow", "--json", *more],
        cwd=home,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # a buffered reader would keep lines from communicate()
    )
    assert child.stdout is not None
    guard = threading.Timer(120, child.kill)
    guard.start()
    try:
        lines = [child.stdout.readline()]
        child.send_signal(signal.SIGINT)
        rest, err = child.communicate(timeout=120)
    finally:
        guard.cancel()
        child.kill()
    assert child.returncode == 0, err
    assert b"Traceback" not in err
    return [json.loads(line) for line in [*lines, *rest.splitlines()]]
