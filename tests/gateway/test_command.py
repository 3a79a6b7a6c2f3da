"""`robo gateway` at the command line."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from robo_trader.cli.main import main
from robo_trader.errors import UsageError
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.settings import GatewaySettings


@pytest.fixture(autouse=True)
def _its_own_log() -> Iterator[None]:
    """The command sends the log to its process's stderr for good; here that is one test's and soon closed."""
    log = logging.getLogger("robo_trader.gateway")
    before = list(log.handlers), log.level, log.propagate
    yield
    log.handlers[:], level, log.propagate = before
    log.setLevel(level)


def _say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["gateway", *words])
    return code, capsys.readouterr().err


def test_the_help_opens_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.index("robo gateway --universe demo") < said.index("Usage")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "nobody said what to serve"),
        (("--universe", "demo", "--bars", "bundled"), 2, "one of --universe and --bars, not both"),
        (("--universe", "dmo"), 2, "did you mean 'demo'"),
        (("--universe", "demo", "--max-version", "200"), 2, "max version 200 is not spoken here"),
        (("--universe", "demo", "--port", "70000"), 2, "port 70000 is no port"),
        (("--universe", "demo", "--matching", "luck"), 2, "unknown matching 'luck'"),
        (("--universe", "demo", "--matching", "bars"), 2, "has quotes, not bars"),
        (("--universe", "demo", "--speed", "2x"), 2, "lives in real time"),
        (("--universe", "demo", "--events", "bundled"), 2, "--events is for --bars"),
        (("--universe", "demo", "--cash", "0"), 2, "cash must be above 0"),
        (("--universe", "demo", "--latency", "-1"), 2, "latency must be 0 or more"),
        (("--universe", "demo", "--books", "none/books"), 1, "there is no folder"),
        (("--universe", "demo", "--books", "."), 1, "cannot open the gateway's books ."),
        (("--bars", "bundled", "--symbols", "SPI"), 1, "SPI is not among the bundled symbols"),
        (("--bars", "bundled", "--symbols", "SPY", "--speed", "warp"), 2, "unknown speed 'warp'"),
        (("--bars", "bundled", "--symbols", "SPY", "--start", "2040-01-01"), 2, "no bars from 2040-01-01"),
        (("--bars", "nowhere"), 1, "no folder and no bar source"),
    ],
)
def test_wrong_words_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, text = _say(capsys, *words)
    assert found == code and said in text and text.count("\n") == 1


def test_the_sources_of_a_session_are_no_part_of_a_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "robo.toml").write_text('[events]\nsources = ["nobody_offers_this"]\n')
    words = ("--bars", "bundled", "--symbols", "SPY", "--start", "2040-01-01")
    assert "no bars from 2040-01-01" in _say(capsys, *words)[1]
    assert "nobody_offers_this" in _say(capsys, *words, "--events", "nobody_offers_this")[1]


def test_a_port_in_use_is_a_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (("--port", port, "--control", "0"), ("--port", "0", "--control", port)):
            code, text = _say(capsys, "--universe", "demo", *words)
            assert code == 1 and f"cannot listen on 127.0.0.1:{port}" in text and "--control" in text


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(UsageError, match="loopback only"):
        demo_gateway(GatewaySettings(host="0.0.0.0"))
