"""State on a real Redis server: the same rules as in files, reconnects, restarts, refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import Account

from robo_trader.errors import ConfigError, StateError
from robo_trader.risk.guard import Guard
from robo_trader.risk.halt import HaltStore
from robo_trader.risk.rules.exposure import Position
from robo_trader.risk.sectors import SectorMap
from robo_trader.state import State, StateConflict, open_state, redis_store

_COUNT = """
import sys
from robo_trader.state import open_state
with open_state(sys.argv[1]) as store:
    for _ in range(int(sys.argv[2])):
        store.update("n", lambda n: (n or 0) + 1)
"""


@pytest.fixture
def store(redis_url: str) -> Iterator[State]:
    with open_state(redis_url) as state:
        yield state


def test_the_rules_are_those_of_the_files(store: State) -> None:
    assert store.get("a") is None
    first = store.put("a", {"x": [1, None, "ü"]}, expected=0)
    second = store.put("a", 2, expected=first)
    assert second > first
    with pytest.raises(StateConflict):
        store.put("a", 3, expected=first)
    with pytest.raises(StateConflict):
        store.delete("a", expected=first)
    assert store.delete("a", expected=second) and not store.delete("a")
    assert store.get("a") is None
    assert store.put("a", 4, expected=0) > second


def test_keys_are_taken_literally(store: State) -> None:
    for key in ("p/A*", "p/AB", "p?", "p[1]"):
        store.put(key, 1)
    assert store.keys("p/A*") == ["p/A*"]
    assert store.keys("p") == ["p/A*", "p/AB", "p?", "p[1]"]
    assert store.keys("p[") == ["p[1]"]


def test_stores_with_other_prefixes_are_apart(store: State, redis_url: str) -> None:
    store.put("a", 1)
    with open_state(redis_url + "x") as other:
        assert other.get("a") is None and other.keys() == []


def test_heartbeats(store: State) -> None:
    store.heartbeat("live", account="DU1")
    assert store.heartbeats()["live"].about["account"] == "DU1"


def test_two_processes_lose_no_update(redis_url: str, updates: int) -> None:
    each = updates // 2
    words = [sys.executable, "-c", _COUNT, redis_url, str(each)]
    processes = [subprocess.Popen(words) for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    with open_state(redis_url) as store:
        stored = store.get("n")
        assert stored is not None and stored.value == 2 * each


def test_a_change_whose_answer_was_lost_counts_once(store: State, monkeypatch: pytest.MonkeyPatch) -> None:
    version = store.put("a", 1)
    assert isinstance(store, redis_store.RedisState)
    import redis

    send, calls = store._put, []

    def lossy(**words: Any) -> Any:
        calls.append(words)
        answer = send(**words)
        if len(calls) == 1:
            raise redis.exceptions.ConnectionError("the answer got lost")
        return answer

    monkeypatch.setattr(store, "_put", lossy)
    again = store.put("a", 2, expected=version)
    stored = store.get("a")
    assert len(calls) == 2 and stored is not None and (stored.value, stored.version) == (2, again)


def test_a_restart_of_the_server_is_outlived(redis_server: Any) -> None:
    with open_state(redis_server.url + "?prefix=restart") as store:
        version = store.put("halt", "HALTED")
        redis_server.stop()
        redis_server.start()
        stored = store.get("halt")
        assert stored is not None and (stored.value, stored.version) == ("HALTED", version)
        # The scripts went with the old process and are sent again.
        assert store.put("halt", "ACTIVE", expected=version) > version


def test_while_the_server_is_away_calls_fail_soon_and_work_again_afterwards(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "PATIENCE", 0.1)
    with open_state(redis_server.url + "?prefix=away") as store:
        version = store.put("halt", "ACTIVE")
        redis_server.stop()
        for call in (lambda: store.get("halt"), lambda: store.put("halt", "HALTED"), store.keys):
            with pytest.raises(StateError, match="Redis cannot be reached"):
                call()
        redis_server.start()
        stored = store.get("halt")
        assert stored is not None and (stored.value, stored.version) == ("ACTIVE", version)


def test_the_guard_outlives_an_outage(
    redis_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the halt state cannot be read exits pass, openings do not, and nothing is raised."""
    monkeypatch.setattr(redis_store, "PATIENCE", 0.1)

    def decisions() -> list[tuple[str, str]]:
        account.now += 1_000_000_000
        asked = [account.intent("A", "SELL", 1), account.intent("B", "BUY", 1)]
        answers = [guard.decide([intent], account)[0] for intent in asked]
        return [(answer.action, " ".join(answer.reasons)) for answer in answers]

    account = Account({"A": 10.0, "B": 10.0}, positions={"A": 50.0})
    with open_state(redis_server.url + "?prefix=guard") as store:
        halts = HaltStore(store, tmp_path / "HALT")
        guard = Guard({"position": Position(0.5)}, sectors=SectorMap({}), halts=halts)
        assert [action for action, _ in decisions()] == ["allow", "allow"]
        redis_server.stop()
        for _ in range(3):
            (exits, _), (opens, why) = decisions()
            assert (exits, opens) == ("allow", "veto") and "REDUCING" in why
        redis_server.start()
        assert [action for action, _ in decisions()] == ["allow", "allow"]


def test_once_a_server_is_away_calls_try_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(redis_store, "PATIENCE", 0.05)
    monkeypatch.setattr(redis_store.time, "sleep", waits.append)
    with open_state("redis://127.0.0.1:1/0") as store:
        for _ in range(3):
            waited = len(waits)
            with pytest.raises(StateError, match="cannot be reached"):
                store.get("halt")
    assert waited == len(waits) > 0


def test_an_unreachable_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "PATIENCE", 0.05)
    with open_state("redis://robo:geheim@127.0.0.1:1/0") as store:
        with pytest.raises(StateError, match=r"127\.0\.0\.1:1/0: Redis cannot be reached") as caught:
            store.get("a")
    assert "geheim" not in str(caught.value) and "start the server" in str(caught.value)


def test_wrong_credentials_are_said_at_once(redis_server: Any) -> None:
    address = redis_server.url.removeprefix("redis://")
    with open_state(f"redis://nobody:geheim@{address}") as store:
        with pytest.raises(StateError, match="refuses the credentials") as caught:
            store.put("a", 1)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://localhost/x/y?prefix=", "redis://localhost?prefix=a:b"])
def test_a_prefix_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        open_state(url)
