"""A whole backtest with a model: recorded once, replayed without a socket, the same to the byte."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from robo_trader import backtest
from robo_trader.errors import ModelError
from robo_trader.testing import ModelServer

from .conftest import says, view

TABLES = ("signals.csv", "orders.csv", "fills.csv", "trades.csv", "equity.csv")


def _run(folder: Path, out: str) -> Path:
    result = backtest(
        "fomc_drift", symbols="SPY", events="bundled", analyst="llm", start="2019-01-01", end="2019-12-31",
        config=folder / "robo.toml", out=folder / out,
    )  # fmt: skip
    assert result.run_dir is not None
    return result.run_dir


def test_a_recorded_run_replays_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "robo.toml"
    with ModelServer([says(view("MARKET", evidence=[]))]) as server:
        table.write_text(f'[intelligence.llm]\nbase_url = "{server.url}"\napi_key = "scripted"\n')
        recorded = _run(tmp_path, "recorded")
        assert server.calls
    table.write_text('[intelligence.llm]\nmode = "replay"\n')

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a replay connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    replayed = _run(tmp_path, "replayed")
    for name in TABLES:
        assert (recorded / name).read_bytes() == (replayed / name).read_bytes(), name
    assert (recorded / "signals.csv").read_text().count("\n") > 3

    Path(".robo/replies.jsonl").unlink()
    with pytest.raises(ModelError, match="there is no reply store"):
        _run(tmp_path, "missing")
