"""State in files: versions, compare-and-set, damage, full disks, clocks, and two processes at once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader import clock
from robo_trader.errors import ConfigError, StateError, UsageError
from robo_trader.state import State, StateConflict, Stored, open_state
from robo_trader.state import files as files_module

#: The figure of record is 10,000.
UPDATES = int(os.environ.get("ROBO_TEST_UPDATES", "300"))
MOMENT = datetime(2024, 9, 18, 18, 0, tzinfo=UTC)


def test_a_value_comes_back_with_a_growing_version(store: State) -> None:
    assert store.get("cursor/rss") is None
    assert store.put("cursor/rss", {"seen": ["a"], "n": 1.5}) == 1
    assert store.put("cursor/rss", None) == 2
    assert store.get("cursor/rss") == Stored(None, 2)


def test_compare_and_set_changes_what_was_seen_or_nothing(store: State) -> None:
    first = store.put("halt", "ACTIVE", expected=0)
    store.put("halt", "HALTED", expected=first)
    with pytest.raises(StateConflict) as caught:
        store.put("halt", "ACTIVE", expected=first)
    assert (caught.value.expected, caught.value.found) == (1, 2)
    with pytest.raises(StateConflict):
        store.put("halt", "ACTIVE", expected=0)
    assert store.get("halt") == Stored("HALTED", 2)


def test_versions_grow_across_a_deletion(store: State) -> None:
    version = store.put("a", 1)
    with pytest.raises(StateConflict):
        store.delete("a", expected=version + 1)
    assert store.delete("a", expected=version)
    assert not store.delete("a")
    assert store.get("a") is None and store.keys() == []
    assert store.put("a", 2, expected=0) > version


def test_deleting_from_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert not open_state(folder=tmp_path / "x").delete("a")
    assert open_state(folder=tmp_path / "x").keys() == []
    assert not (tmp_path / "x").exists()


def test_keys_are_listed_by_prefix_and_told_apart_by_case(store: State) -> None:
    for key in ("position/AAPL", "position/aapl", "positions", "ünï/∂ %41"):
        store.put(key, key)
    assert store.keys("position/") == ["position/AAPL", "position/aapl"]
    assert all(store.get(key) == Stored(key, 1) for key in store.keys())


@given(st.text(min_size=1, max_size=25).filter(str.isprintable))
def test_every_printable_key_finds_its_own_value(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    store = open_state(folder=tmp_path_factory.mktemp("state"))
    store.put(key, key)
    assert store.keys() == [key] and store.get(key) == Stored(key, 1)


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 81])
def test_what_can_be_no_key_is_refused(store: State, key: str) -> None:
    with pytest.raises(UsageError, match="cannot be a key"):
        store.put(key, 1)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, MOMENT])
def test_what_is_no_json_value_is_refused(store: State, value: Any) -> None:
    with pytest.raises(UsageError, match="cannot be stored"):
        store.put("a", value)
    assert store.keys() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1", "value": 2}', '{"value": 2}'])
def test_a_damaged_file_is_named_and_others_still_read(store: State, tmp_path: Path, text: str) -> None:
    store.put("good", 1)
    store.put("bad", 1)
    (tmp_path / ".robo" / "state" / "bad.json").write_text(text)
    with pytest.raises(StateError, match=r"bad\.json: is damaged"):
        store.get("bad")
    assert store.get("good") == Stored(1, 1)


def test_a_full_disk_leaves_the_old_value(store: State, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left") as caught:
        store.put("a", "new")
    assert caught.value.hint == "free some space"
    assert store.get("a") == Stored("old", 1) and store.keys() == ["a"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(StateError, match=str(tmp_path / "f")):
        open_state(folder=tmp_path / "f").put("a", 1)


def test_a_lock_that_is_never_freed_is_reported(
    store: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", 1)
    monkeypatch.setattr(files_module, "LOCK_TIMEOUT", 0.01)
    with (tmp_path / ".robo" / "state" / ".lock").open("rb") as other:
        assert files_module._try_lock(other.fileno())
        with pytest.raises(StateError, match="has held the lock"):
            store.put("a", 2)
        files_module._unlock(other.fileno())
    assert store.put("a", 2) == 2


def test_heartbeats_tell_age_and_survive_a_clock_that_jumps_back(store: State) -> None:
    with clock.fixed(MOMENT):
        store.heartbeat("live", account="DU1")
    with clock.fixed(MOMENT + timedelta(seconds=90)):
        beat = store.heartbeats()["live"]
    assert (beat.at, beat.age, beat.skewed) == (MOMENT, timedelta(seconds=90), False)
    assert beat.about["account"] == "DU1" and beat.about["pid"] == os.getpid()
    with clock.fixed(MOMENT - timedelta(hours=1)):
        beat = store.heartbeats()["live"]
    assert beat.age == timedelta(0) and beat.skewed


def test_update_begins_anew_when_somebody_was_faster(store: State) -> None:
    store.put("n", 1)
    seen = []

    def change(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            store.put("n", 10)
        return value + 1

    assert store.update("n", change) == 11
    assert seen == [1, 10] and store.get("n") == Stored(11, 3)


_COUNT = """
import sys
from robo_trader.state import open_state
with open_state(sys.argv[1]) as store:
    for _ in range(int(sys.argv[2])):
        store.update("n", lambda n: (n or 0) + 1)
"""


def test_two_processes_lose_no_update(tmp_path: Path) -> None:
    each = UPDATES // 2
    words = [sys.executable, "-c", _COUNT, f"file:{tmp_path}", str(each)]
    processes = [subprocess.Popen(words) for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    stored = open_state(f"file://{tmp_path}").get("n")
    assert stored == Stored(2 * each, 2 * each)


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean .rediss."):
        open_state("rediss3://user:geheim@host")
    with pytest.raises(ConfigError) as caught:
        open_state("memcache://user:geheim@host")
    assert "geheim" not in str(caught.value)
