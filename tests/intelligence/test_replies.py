"""The reply store: what is in it is found again, what is damaged is set aside, nothing is lost."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import ModelError
from robo_trader.intelligence.answer import SCHEMA, parse
from robo_trader.intelligence.replies import ReplyMissing, ReplyStore, address
from robo_trader.intelligence.reply import Reply, Request, Status, Usage
from robo_trader.state import files

from .conftest import says, view

SOURCE = "S1 raises its guidance"


def asked(content: str = "a", **changed: object) -> Request:
    request = Request(
        prompt_id="news",
        prompt_hash="0123",
        system="Judge.",
        content=content,
        schema=SCHEMA,
        schema_hash="abcd",
        load=lambda rows: rows,
    )
    return replace(request, **changed)


def said(text: str = says(view()), status: Status = Status.OK) -> Reply:
    answer = parse(text, ["S1"], SOURCE) if status is Status.OK else None
    return Reply(status=status, text=text, answer=answer, usage=Usage(100, 20), detail="why")


@pytest.fixture
def store(tmp_path: Path) -> ReplyStore:
    return ReplyStore(tmp_path / "deep" / "replies.jsonl")


def test_what_was_put_is_found_again(store: ReplyStore) -> None:
    where = address("m@low", asked())
    assert store.get(where) is None
    store.put(where, said(), 900)
    for reader in (store, ReplyStore(store.path)):
        found = reader.get(where)
        assert found is not None
        assert (found.status, found.usage, found.characters) == (Status.OK, Usage(100, 20), 900)
        assert found.text == says(view())
        assert found.answer[0][:3] == ["S1", 0.6, 0.8]
        assert len(reader) == 1


def test_the_last_record_of_an_address_counts(store: ReplyStore) -> None:
    where = address("m", asked())
    store.put(where, said(status=Status.TIMEOUT), 1)
    store.put(where, said(), 1)
    found = ReplyStore(store.path).get(where)
    assert found is not None and found.status is Status.OK


def test_everything_that_makes_a_question_is_in_its_address() -> None:
    same = address("m", asked())
    assert same == address("m", asked())
    others = [
        address("n", asked()),
        address("m", asked("b")),
        address("m", asked(prompt_id="fomc")),
        address("m", asked(prompt_hash="4567")),
        address("m", asked(schema_hash="ef01")),
        address("m", asked(draw=1)),
    ]
    assert len({same.key, *(one.key for one in others)}) == 7
    # What only a call needs is not.
    assert address("m", asked(user="boundary", max_tokens=7)) == same


def test_the_input_is_not_kept(store: ReplyStore) -> None:
    store.put(address("m", asked("a secret headline")), said(), 1)
    assert "headline" not in store.path.read_text()


def test_a_reply_that_is_not_there_says_why(store: ReplyStore) -> None:
    where = address("m", asked())
    assert "there is no reply store" in str(store.missing(where))
    store.put(address("other", asked()), said(), 1)
    assert "recorded with other" in str(store.missing(where, "Title"))
    store.put(address("m", asked("b")), said(), 1)
    error = store.missing(where, "Title")
    assert isinstance(error, ReplyMissing)
    assert "no reply of m to the prompt 'news' for 'Title'" in str(error) and "mode = " in error.hint


def test_an_edited_prompt_is_named(store: ReplyStore) -> None:
    store.put(address("m", asked()), said(), 1)
    edited = address("m", asked(prompt_hash="9999"))
    assert store.get(edited) is None
    text = str(store.missing(edited))
    assert "'news' was edited after" in text and "it was 0123, now it is 9999" in text


def _filled(path: Path, count: int = 5) -> list[bytes]:
    store = ReplyStore(path)
    for i in range(count):
        store.put(address("m", asked(str(i))), said(), 10)
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda line: line.replace(b"0.6", b"0.9"), "checksum"),
        (lambda line: line[:-30] + b"\n", "no line of a reply store"),
        (lambda line: b"\x00\xff\n", "no line of a reply store"),
        (lambda line: b"{}\n", "no line of a reply store"),
        (lambda line: b"<<<<<<< HEAD\n", "no line of a reply store"),
    ],
)
def test_a_damaged_line_costs_itself_alone(tmp_path: Path, damage, why: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "replies.jsonl"
    lines = _filled(path)
    lines[2] = damage(lines[2])
    path.write_bytes(b"".join(lines))
    store = ReplyStore(path)
    assert len(store) == 4
    assert [number for number, _ in store.check()] == [3]
    assert why in store.check()[0][1]
    assert "1 damaged lines may have held it" in str(store.missing(address("m", asked("2"))))
    # It can still be written to, and is left as it is.
    store.put(address("m", asked("new")), said(), 1)
    assert path.read_bytes().startswith(b"".join(lines))


def test_a_line_cut_short_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    lines = _filled(path)
    path.write_bytes(b"".join(lines)[:-40])
    store = ReplyStore(path)
    assert len(store) == 4 and store.check() == [(5, "it was cut short")]
    store.put(address("m", asked("new")), said(), 1)
    again = ReplyStore(path)
    assert len(again) == 5 and [number for number, _ in again.check()] == [5]


def test_repair_moves_damaged_lines_aside(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    lines = _filled(path)
    broken = b"garbage\n"
    path.write_bytes(b"".join([*lines[:1], broken, *lines[1:]])[:-1] + b"\ntail")
    store = ReplyStore(path)
    count, aside = store.repair()
    assert count == 2 and aside.read_bytes() == b"garbage\ntail\n"
    assert path.read_bytes() == b"".join(lines)
    assert len(store) == 5 and store.check() == []
    assert store.repair()[0] == 0


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"a,b\n1,2\n", b'{"kind": "news"}\n'])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no reply store"):
        ReplyStore(path).get(address("m", asked()))
    store = ReplyStore(path)
    for _ in range(2):
        with pytest.raises(ModelError, match="is no reply store"):
            store.put(address("m", asked()), said(), 1)
    with pytest.raises(ModelError, match="is no reply store"):
        ReplyStore(path).put(address("m", asked()), said(), 1)
    assert path.read_bytes() == content


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        ReplyStore(tmp_path).get(address("m", asked()))


def test_what_another_process_adds_is_seen(tmp_path: Path) -> None:
    first, second = ReplyStore(tmp_path / "r.jsonl"), ReplyStore(tmp_path / "r.jsonl")
    second.put(address("m", asked("1")), said(), 1)
    assert first.get(address("m", asked("1"))) is not None
    first.put(address("m", asked("2")), said(), 1)
    assert second.get(address("m", asked("2"))) is not None


_WRITER = """
import sys
from robo_trader.intelligence.replies import Address, ReplyStore
from robo_trader.intelligence.reply import Reply, Status
store = ReplyStore(sys.argv[1])
for i in range(60):
    key = f"{sys.argv[2]}-{i}"
    store.put(Address(key, key, "m", "news", "h"), Reply(status=Status.REFUSED, text="x" * 3000), 1)
"""


def test_two_processes_may_record_into_one_store(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name]) for name in "ab"]
    assert [writer.wait(600) for writer in writers] == [0, 0]
    store = ReplyStore(path)
    assert len(store) == 120 and store.check() == []


@given(st.data())
def test_no_single_damage_loses_another_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "replies.jsonl"
    lines = _filled(path, 4)
    number = data.draw(st.integers(0, 3))
    at = data.draw(st.integers(0, len(lines[number]) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != lines[number][at] and b not in (10, 13)))
    broken = bytearray(lines[number])
    broken[at] = byte
    path.write_bytes(b"".join([*lines[:number], bytes(broken), *lines[number + 1 :]]))
    store = ReplyStore(path)
    assert len(store) == 3 and len(store.check()) == 1


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.jsonl")

    def work(name: str) -> None:
        for i in range(20):
            store.put(address("m", asked(f"{name}{i}")), said(), 1)
            assert store.get(address("m", asked(f"{name}{i}"))) is not None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert len(ReplyStore(store.path)) == len(store) == 80 and store.check() == []


def test_line_ends_of_another_system_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    _filled(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    store = ReplyStore(path)
    assert (len(store), store.check()) == (5, [])


def test_a_usage_that_is_none_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for usage in ([1, 2], ["1", 2, 3, 4], [-1, 2, 3, 4], {"a": 1}):
        _filled(path)
        row = json.loads(path.read_bytes().splitlines()[0])["reply"] | {"usage": usage}
        data = json.dumps(row).encode()
        checksum = hashlib.sha256(data).hexdigest()[:16].encode()
        path.write_bytes(b'{"sum":"%s","reply":%s}\n' % (checksum, data))
        assert len(ReplyStore(path).check()) == 1


def test_a_store_that_somebody_holds_is_an_error_for_people(
    store: ReplyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.path.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(files, "LOCK_TIMEOUT", 0.02)
    with files.locked(store.path.with_name(f".{store.path.name}.lock")):
        with pytest.raises(ModelError, match="another process has held the lock"):
            store.put(address("m", asked()), said(), 10)


def test_a_store_that_cannot_be_mended_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    _filled(path)
    path.write_bytes(path.read_bytes()[:-30])
    (tmp_path / "r.jsonl.damaged").mkdir()
    with pytest.raises(ModelError, match="cannot be repaired"):
        ReplyStore(path).repair()
