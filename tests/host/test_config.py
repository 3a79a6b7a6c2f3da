"""The configuration: who wins, where a value came from, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.config import Config, load_config, parse_duration
from robo_trader.config_schema import KEYS, PLUGIN_TABLES, SCHEMA, TABLES
from robo_trader.errors import ConfigError


def toml(tmp_path: Path, text: str) -> Path:
    """Write a configuration file."""
    file = tmp_path / "robo.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_stand_alone() -> None:
    config = Config(environ={})
    assert config.get("run.cash") == 100000.0
    assert config.get("run.symbols") is None
    assert config.get("events.sources") == []
    assert config.duration("events.assume_delay") == timedelta(seconds=60)
    assert {row.origin for row in config.rows()} == {"default"}
    assert config.is_default("run.cash")


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = toml(tmp_path, "[run]\ncash = 1\nseed = 1\ncommission = 0.1\n")
    environ = {"ROBO_RUN__CASH": "2", "ROBO_RUN__SEED": "2"}
    config = load_config(file, flags={"run.cash": 3, "run.out": None}, environ=environ)
    keys = ("run.cash", "run.seed", "run.commission", "run.out")
    assert [config.get(key) for key in keys] == [3.0, 2, 0.1, "runs"]
    assert [config.origin(key) for key in keys] == [
        "flag --cash",
        "environment ROBO_RUN__SEED",
        f"file {file}",
        "default",
    ]
    rows = {row.key: row for row in config.rows()}
    assert (rows["run.cash"].value_shown, rows["run.out"].value_shown) == ("3.0", "'runs'")
    assert rows["run.start"].value_shown == "unset"


def test_the_file_of_the_current_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(tmp_path, "[run]\nseed = 9\n")
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}).get("run.seed") == 9
    assert load_config(environ={}).path == Path("robo.toml")
    (tmp_path / "robo.toml").unlink()
    assert load_config(environ={}).path is None


def test_tables_and_copies(tmp_path: Path) -> None:
    config = load_config(
        toml(tmp_path, '[bars.symbols.VIX]\ntick = 0.05\n[bars.tape]\nurl = "u"\n'), environ={}
    )
    table = config.table("bars")
    assert table["symbols"] == {"VIX": {"tick": 0.05}}
    assert "tape" not in table
    table["symbols"]["VIX"]["tick"] = 9
    config.get("events.sources").append("x")
    assert config.get("bars.symbols") == {"VIX": {"tick": 0.05}}
    assert config.get("events.sources") == []
    assert config.plugin_table("bars", "tape") == {"url": "u"}
    assert config.plugin_table("bars", "other") == {}
    assert config.plugin_tables() == [("bars", "tape")]


def test_the_environment_reaches_symbols_and_plugins(tmp_path: Path) -> None:
    file = toml(tmp_path, '[bars.symbols.SPY]\ntick = 0.1\n[events.my-Feed]\nurl = "u"\nlimit = 1\n')
    environ = {
        "ROBO_BARS__SYMBOLS__SPY__LOT": "100",
        "ROBO_BARS__SYMBOLS__VIX__TICK": "0.05",
        "ROBO_EVENTS__MY_FEED__LIMIT": "20",
        "ROBO_EVENTS__OTHER__DEEP": "true",
        "ROBO_EVENTS__OTHER__RATIO": "0.5",
        "ROBO_EVENTS__OTHER__TEXT": "a,b",
        "ROBO_EVENTS__OTHER__API_KEY": "0042",
        "ROBO_PLUGINS": "a",
        "ROBO_TEST_DATA": "b",
    }
    config = load_config(file, environ=environ)
    assert config.get("bars.symbols") == {"SPY": {"tick": 0.1, "lot": 100.0}, "VIX": {"tick": 0.05}}
    variables = [f"environment ROBO_BARS__SYMBOLS__{name}" for name in ("SPY__LOT", "VIX__TICK")]
    assert config.origin("bars.symbols") == ", ".join([f"file {file}", *variables])
    alone = load_config(environ={"ROBO_BARS__SYMBOLS__VIX__TICK": "1"})
    assert alone.origin("bars.symbols") == variables[1]
    assert config.plugin_table("events", "my-Feed") == {"url": "u", "limit": 20}
    other = {"deep": True, "ratio": 0.5, "text": "a,b", "api_key": "0042"}
    assert config.plugin_table("events", "other") == other


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[rnu]\ncash = 1", "[rnu] is not known (did you mean 'run'?)"),
        ("[run]\ncahs = 1", "[run] cahs is not known (did you mean 'cash'?)"),
        ("cash = 1", "cash is not known (did you mean cash under [run]?)"),
        ("run = 3", "run must be a table, not 3 (write [run])"),
        ('[run]\ntick = "x"', "[run] tick is not known (keys of [run] are strategy, symbols"),
        ('[run]\ncalendar = "x"', "[run] calendar is not known (calendar belongs to [bars])"),
        ("[live]\nx = 1", "[live] x is not known (keys of [live] are ib, client_id"),
        ("[live]\nevidence_sessions = 29", "[live] evidence_sessions must be a whole number of at least 30"),
        ("[strategies]\nfast = 1", "[strategies] fast is not known ([strategies] holds one table per plugin"),
        ("[run.more]\nx = 1", "[run] more is not known"),
        ("[bars.symbol.VIX]\ntick = 1", "[bars] symbol is not known (did you mean 'symbols'?)"),
        ("[bars.symbols]\nVIX = 1", "[bars] symbols.VIX must be a table, not 1"),
        ("[bars.symbols.VIX]\ntik = 1", "[bars] symbols.VIX.tik is not known (did you mean 'tick'?)"),
        ("[bars.symbols.VIX]\ntick = 0", "[bars] symbols.VIX.tick must be a number above 0, not 0"),
        ("[bars]\nsymbols = 3", "[bars] symbols must be a table, not 3"),
        ('[run]\ncash = "1000"', "[run] cash must be a number, not '1000'"),
        ("[run]\ncash = true", "[run] cash must be a number, not true"),
        ("[run]\ncash = -5", "[run] cash must be a number above 0, not -5"),
        ("[run]\ncash = nan", "[run] cash must be a number, not nan"),
        ("[run]\ncash = inf", "[run] cash must be a number above 0, not inf"),
        ("[run]\nseed = 1.5", "[run] seed must be a whole number, not 1.5"),
        ("[run]\nseed = -1", "[run] seed must be a whole number of at least 0, not -1"),
        ("[run]\nreport = 1", "[run] report must be true or false, not 1"),
        ('[run]\nsymbols = "SPY"', "[run] symbols must be a list of texts"),
        ("[run]\nsymbols = [1]", "[run] symbols must be a list of texts"),
        ("[run]\nbenchmark = 3", "[run] benchmark must be text, not 3"),
        ('[run]\nfill_rules = "honst"', "must be 'honest' or 'stock', not 'honst' (did you mean 'honest'?)"),
        ('[run]\nstart = "soon"', "[run] start must be a date such as 2024-09-18, not 'soon'"),
        ("[run]\nstart = 2024-01-01T12:00:00", "[run] start must be a date"),
        ("[run]\nstart = 20240101", "[run] start must be a date such as 2024-09-18, not 20240101"),
        ('[events]\nassume_delay = "soon"', "[events] assume_delay must be a duration such as 60s, 5m or 1h"),
        ("[events]\nassume_delay = -1", "[events] assume_delay must be a duration"),
        ("[events]\nassume_delay = true", "[events] assume_delay must be a duration"),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_value(text: str, error: str, tmp_path: Path) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ={})
    assert str(caught.value).startswith(f"{file}: ")
    assert error in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("ROBO_RUN__CAHS", "1", "ROBO_RUN__CAHS is not known (did you mean 'cash'?)"),
        ("ROBO_RNU__CASH", "1", "ROBO_RNU__CASH names the unknown table [rnu] (did you mean 'run'?)"),
        ("ROBO_RUN__CASH", "much", "ROBO_RUN__CASH must be a number, not 'much'"),
        ("ROBO_RUN__CASH", "", "ROBO_RUN__CASH must be a number, not ''"),
        ("ROBO_RUN__SEED", "1.5", "ROBO_RUN__SEED must be a whole number, not '1.5'"),
        ("ROBO_RUN__REPORT", "maybe", "ROBO_RUN__REPORT must be true or false, not 'maybe'"),
        ("ROBO_RUN__CASH__MORE", "1", "ROBO_RUN__CASH__MORE is not known"),
        ("ROBO_BARS__SYMBOLS", "1", "ROBO_BARS__SYMBOLS is not known"),
        ("ROBO_BARS__SYMBOLS__VIX__TIK", "1", "symbols.VIX.tik is not known (did you mean 'tick'?)"),
        ("ROBO_STRATEGIES__FAST", "1", "ROBO_STRATEGIES__FAST is not known"),
        ("ROBO_RUN__", "1", "ROBO_RUN__ is not known"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(variable: str, value: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={variable: value})
    assert str(caught.value).startswith("the environment variable ")
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("run.cahs", 1, "there is no key 'run.cahs' (did you mean 'run.cash'?)"),
        ("run.cash", 0, "--cash must be a number above 0, not 0"),
        ("bars.source", 3, "--bars must be text, not 3"),
        ("run.fill_rules", "x", "--fill-rules must be 'honest' or 'stock', not 'x'"),
    ],
)
def test_a_wrong_flag_is_refused_by_name(key: str, value: Any, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(flags={key: value}, environ={})
    assert str(caught.value) == error


def test_flags_may_be_text_or_values() -> None:
    flags: dict[str, Any] = {
        "run.symbols": "SPY, VIX",
        "run.cash": np.int64(5),
        "run.commission": np.float64(0.5),
        "run.start": date(2024, 1, 2),
        "run.end": datetime(2024, 1, 3),  # noqa: DTZ001 - as pandas writes a date
        "run.out": Path("elsewhere"),
        "run.report": "no",
        "run.benchmark": "",
        "events.assume_delay": 90,
        "events.sources": ("a", "b"),
    }
    config = load_config(flags=flags, environ={"ROBO_RUN__BENCHMARK": "SPY"})
    assert config.get("run.symbols") == ["SPY", "VIX"]
    assert config.get("run.cash") == 5.0 and type(config.get("run.cash")) is float
    assert (config.get("run.start"), config.get("run.end")) == ("2024-01-02", "2024-01-03")
    assert config.get("run.out") == "elsewhere"
    assert config.get("run.report") is False
    assert config.get("run.benchmark") is None
    assert config.duration("events.assume_delay") == timedelta(seconds=90)
    assert config.get("events.sources") == ["a", "b"]


@pytest.mark.parametrize("content", [b"[run\n", b"\xff\xfe", None])
def test_an_unreadable_file_is_one_clear_error(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"other\.toml"):
        load_config(file, environ={})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, environ={})


def test_unknown_keys_and_tables_of_ours_are_caught_too() -> None:
    with pytest.raises(ConfigError, match=r"no key 'run\.cahs' .did you mean 'run\.cash'"):
        Config(environ={}).get("run.cahs")
    with pytest.raises(ConfigError, match=r"no table \[rnu\] .did you mean 'run'"):
        Config(environ={}).table("rnu")


SECRETS = """
[journal]
url = "postgresql://me:hunter2@db/x?sslkey=hunter3"
[state]
url = "env:REDIS"
[notify.chat]
Bot_Token = "hunter4"
chat = "me"
headers = {Authorization_Secret = "hunter5", plain = "p", list = ["https://a:hunter6@b", 3]}
api_keys = ["hunter7"]
pin_password = 1234
use_keys = false
"""


def test_secrets_are_masked_wherever_a_value_is_shown(tmp_path: Path) -> None:
    config = load_config(toml(tmp_path, SECRETS), environ={"REDIS": "redis://:hunter8@x"})
    shown = json.dumps(config.resolved()) + repr(config.rows())
    assert "hunter" not in shown and "1234" not in shown
    rows = {row.key: row.value_shown for row in config.rows()}
    assert rows["journal.url"] == "'postgresql://me:***@db/x?sslkey=***'"
    assert rows["state.url"] == "'env:REDIS'"
    assert rows["notify.chat.Bot_Token"] == "'***'"
    assert rows["notify.chat.use_keys"] == "false"
    resolved = config.resolved()
    assert resolved["notify"]["chat"]["headers"] == {
        "Authorization_Secret": "***",
        "plain": "p",
        "list": ["https://a:***@b", 3],
    }
    assert resolved["notify"]["chat"]["api_keys"] == "***"
    assert config.resolve("state.url") == "redis://:hunter8@x"
    assert config.get("state.url") == "env:REDIS"


def test_a_wrong_secret_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(toml(tmp_path, '[journal]\nurl = ["postgresql://me:hunter2@db/x"]'), environ={})
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    config = load_config(toml(tmp_path, '[state]\nurl = "env:REDIS"'), environ={})
    with pytest.raises(ConfigError, match=r"state\.url asks for the environment variable REDIS"):
        config.resolve("state.url")


def test_resolved_is_plain_json(tmp_path: Path) -> None:
    file = toml(tmp_path, "[strategies.s]\nday = 2024-01-02\nnested = {a = [1, 2.5, true]}\n")
    resolved = load_config(file, environ={}).resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["strategies"]["s"] == {"day": "2024-01-02", "nested": {"a": [1, 2.5, True]}}
    assert set(resolved) == set(TABLES)


def test_a_configuration_can_be_copied_and_pickled(tmp_path: Path) -> None:
    config = load_config(toml(tmp_path, SECRETS), environ={})
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert other.resolved() == config.resolved()
    assert "hunter" not in repr(config)


def test_the_schema_is_sound() -> None:
    assert len(KEYS) == len(SCHEMA)
    for key in SCHEMA:
        assert key.about and key.table in TABLES
        assert key.optional == (key.default is None)
        assert not key.choices or key.default in (None, *key.choices)
    assert set(PLUGIN_TABLES) <= set(TABLES)


@given(
    st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)])
)
def test_durations(number: int, unit: tuple[str, float]) -> None:
    assert parse_duration(f"{number}{unit[0]}") == timedelta(seconds=number * unit[1])


@pytest.mark.parametrize("text", ["", "s", "1x", "-1s", "1 s s", "1e3s", "9" * 30 + "d", None, [], True])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ConfigError, match="must be a duration"):
        parse_duration(text)


@given(
    st.dictionaries(
        st.sampled_from(sorted(KEYS)),
        st.one_of(st.none(), st.text(max_size=8), st.integers(), st.floats(), st.booleans()),
    )
)
def test_flags_of_any_kind_are_taken_or_refused_cleanly(flags: dict[str, Any]) -> None:
    try:
        config = load_config(flags=flags, environ={})
    except ConfigError as error:
        assert error.message
    else:
        assert json.dumps(config.resolved(), allow_nan=False)
