"""The books: what cannot be used is refused, and a killed gateway forgets nothing that it has told."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from gwclient import Client, Control

from robo_trader.errors import StateError
from robo_trader.gateway.books import Books


def test_a_folder_that_is_missing_and_a_file_that_is_something_else(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no folder"):
        Books(str(tmp_path / "none" / "books.sqlite"))
    other = tmp_path / "books.sqlite"
    other.write_text("this is a letter, and no database of any kind", encoding="utf-8")
    with pytest.raises(StateError, match="cannot use the gateway's books"):
        Books(str(other))


def test_books_of_another_format_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "books.sqlite")
    books = Books(path)
    books.remember("format", 99)
    books.close()
    with pytest.raises(StateError, match="format 99"):
        Books(path)


def test_two_gateways_cannot_share_books(tmp_path: Path, demo: Any) -> None:
    path = str(tmp_path / "books.sqlite")
    demo(books=path)
    with pytest.raises(StateError, match="another gateway"):
        demo(books=path)


def test_permanent_ids_are_never_given_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "books.sqlite")
    first = Books(path)
    given = [first.next_perm_id() for _ in range(3)]
    first.close()
    second = Books(path)
    assert second.next_perm_id() == given[-1] + 1
    second.close()


def _serve(path: Path) -> tuple[subprocess.Popen[str], int, int]:
    """Start a gateway of its own and return it with its two ports."""
    words = ["gateway", "--universe", "demo", "--port", "0", "--control", "0", "--books", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_trader", *words], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    ports, said = [], []
    for line in process.stderr:
        said.append(line)
        ports += [int(p) for p in re.findall(r"127\.0\.0\.1:(\d+)", line)]
        if len(ports) == 2:
            return process, ports[0], ports[1]
    raise AssertionError(f"the gateway did not start: {said}")


def test_a_terminated_gateway_stops_in_order(tmp_path: Path) -> None:
    process, port, _ = _serve(tmp_path / "books.sqlite")
    try:
        client = Client(port)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    client.close()
    assert process.returncode == 0 and "Traceback" not in said


def test_a_killed_gateway_forgets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    process, port, _ = _serve(path)
    try:
        client = Client(port)
        filled = [client.order(orderRef=f"robo-{i}") for i in range(5)]
        for number in filled:
            client.status(number, "Filled")
        resting = client.order(orderType="LMT", lmtPrice=150.0, orderRef="robo-rest")
        client.status(resting, "Submitted")
        executed = {client.expect(11)[14] for _ in filled}
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    client.close()
    with closing(sqlite3.connect(path)) as books:
        assert books.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    process, port, control_port = _serve(path)
    try:
        again, control = Client(port), Control(control_port)
        again.send(7, 3, 1, 0, "", "", "", "", "", "")
        again.expect(55, 1, 1)
        assert {f[14] for f in again.take(11)} == executed
        again.send(5, 1)
        again.expect(5, resting)
        state = control("state")
        assert state["pos"] == {"265598": 500.0} and state["execs"] == 5
        again.close()
        control.close()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in said and "stopping" in said
