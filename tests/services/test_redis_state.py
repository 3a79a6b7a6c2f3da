"""State on a real Redis server: the same rules as in files, reconnects, restarts, refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from robo_trader.errors import ConfigError, StateError
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
