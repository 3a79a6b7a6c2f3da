"""What plugins offer: imported when first used, judged by shape, made with its table of robo.toml."""

from __future__ import annotations

import sys
import traceback

import pytest

from robo_trader.errors import ConfigError, PluginError

from .conftest import Site

PARTS = """
from robo_trader import Analyst, BarSource, EventSource, Notifier, RiskRule, SignalSource
import backtrader as bt
from datetime import datetime, timedelta

class Strategy(bt.Strategy): ...
class NoStrategy: ...

class Source(EventSource):
    def fetch(self, since, until): return []
class Lazy(EventSource): ...
class Duck:
    def fetch(self, since, until): return []
class Short:
    def fetch(self, since): return []
class Misspelt:
    def fetsch(self, since, until): return []
class Static:
    @staticmethod
    def fetch(since, until): return []
class ByClass:
    @classmethod
    def fetch(cls, since, until): return []
class NotCallable:
    fetch = 3

class Reads(Analyst):
    kinds = {"news"}
    async def read(self, event, past): return []
class ReadsOne(Analyst):
    kinds = ("news",)
    def read(self, event): return []
class ReadsNothing(Analyst):
    def read(self, event): return []
class ReadsText(ReadsNothing):
    kinds = "news"
class SeesAhead(ReadsNothing):
    kinds = ("news",)
    latency = timedelta(days=-30)
class TakesForever(SeesAhead):
    latency = timedelta(days=31)
class TakesText(SeesAhead):
    latency = "2s"
class NaivelyClean(ReadsNothing):
    kinds = ("news",)
    clean_from = datetime(2020, 1, 1)

class Scores(SignalSource):
    also = ("VIX",)
    def score(self, bars, **also): return bars.close
class Named(SignalSource):
    also = ("VIX", "SPY")
    def score(self, bars, VIX, SPY): return bars.close
class Alone(SignalSource):
    also = ("VIX",)
    def score(self, bars): return bars.close
class Text(SignalSource):
    also = "VIX"
    def score(self, bars, **also): return bars.close

class Loads(BarSource):
    def load(self, symbol, start, end, timeframe): return None
class Guards(RiskRule):
    def check(self, intent, book): return self.allow(intent)
class Lets(RiskRule): ...
class Sends(Notifier):
    def send(self, alert): ...

class Options:
    def __init__(self, url, *, token="", limit=10):
        self.url, self.token, self.limit = url, token, limit
        if limit < 0:
            raise ValueError(f"limit {limit} with {token}")
        if limit == 99:
            raise SystemExit(token)
    def send(self, alert): ...
class Refuses(Options):
    def __init__(self, token):
        from robo_trader import ConfigError
        raise ConfigError(f"{token} is too short", hint=f"not {token}")
class Mapped(dict):
    send = dict.update
class Anything:
    def __init__(self, **options):
        self.options = options
    def send(self, alert): ...

def function(): ...
class Outer:
    class Inner(Loads): ...
"""


@pytest.fixture
def parts(site: Site) -> Site:
    """A site with the module `zz_parts`."""
    site.module("zz_parts", PARTS)
    return site


GOOD = [
    ("strategy", "Strategy"),
    ("event_source", "Source"),
    ("event_source", "Duck"),
    ("event_source", "Static"),
    ("event_source", "ByClass"),
    ("analyst", "Reads"),
    ("analyst", "ReadsOne"),
    ("signal", "Scores"),
    ("signal", "Named"),
    ("bars", "Loads"),
    ("bars", "Outer.Inner"),
    ("risk_rule", "Guards"),
    ("notifier", "Sends"),
]


@pytest.mark.parametrize(("kind", "name"), GOOD)
def test_a_good_target_is_found_and_passes_check(kind: str, name: str, parts: Site) -> None:
    parts.registering("p", f'add.{kind}("x", "zz_parts:{name}")')
    host = parts.host()
    assert "zz_parts" not in sys.modules
    assert "x" in host.names(kind)
    assert host.target(kind, "x").__qualname__ == name
    assert host.check("p") == []


def test_a_class_may_be_registered_itself(parts: Site) -> None:
    parts.registering("p", "import zz_parts", 'add.bars("x", zz_parts.Loads)')
    assert parts.host().target("bars", "x").__name__ == "Loads"


@pytest.mark.parametrize(
    ("kind", "target", "error", "fix"),
    [
        ("strategy", "zz_parts:NoStrategy", "is no strategy", "derive it from robo_trader.Strategy"),
        ("bars", "zz_nowhere:X", "importing zz_nowhere failed", "install the missing module 'zz_nowhere'"),
        ("bars", "zz_broken:X", "importing zz_broken failed: RuntimeError: no luck", "robo plugins check p"),
        ("bars", "zz_exits:X", "importing zz_exits failed: SystemExit: 3", "robo plugins check p"),
        ("bars", "zz_parts:Load", "zz_parts has no 'Load'", "did you mean 'Loads'?"),
        ("bars", "zz_parts:Outer.Iner", "has no 'Outer.Iner'", "did you mean 'Inner'?"),
        ("bars", "zz_parts:function", "not a class", "register the class"),
        ("event_source", "zz_parts:Lazy", "has no method 'fetch'", "def fetch(self, since, until)"),
        ("event_source", "zz_parts:Misspelt", "has no method 'fetch'", "did you mean 'fetsch'?"),
        ("event_source", "zz_parts:NotCallable", "has no method 'fetch'", "def fetch(self, since, until)"),
        ("event_source", "zz_parts:Short", "too many positional arguments", "def fetch(self, since, until)"),
        ("risk_rule", "zz_parts:Lets", "has no method 'check'", "def check(self, intent, book)"),
        ("notifier", "zz_parts:Loads", "has no method 'send'", "def send(self, alert)"),
        ("signal", "zz_parts:Alone", "cannot be called with (bars, VIX)", "def score(self, bars, **also)"),
        ("signal", "zz_parts:Text", "also must be a tuple of symbols, not 'VIX'", "also = ('VIX',)"),
    ],
)
def test_a_bad_target_shows_when_first_used_and_in_check(
    kind: str, target: str, error: str, fix: str, parts: Site
) -> None:
    parts.module("zz_broken", "raise RuntimeError('no luck')")
    parts.module("zz_exits", "raise SystemExit(3)")
    parts.registering("p", f'add.{kind}("x", "{target}")')
    host = parts.host()
    assert host.rows()[1].state == "ok"
    with pytest.raises(PluginError) as caught:
        host.create(kind, "x")
    assert error in caught.value.message
    assert fix in caught.value.hint
    (found,) = host.check("p")
    assert (found.subject, found.problem, found.fix) == (
        f"{kind} x",
        caught.value.message,
        caught.value.hint,
    )


@pytest.mark.parametrize("name", ["ReadsNothing", "ReadsText"])
def test_an_analyst_says_what_it_reads(name: str, parts: Site) -> None:
    parts.registering("p", f'add.analyst("x", "zz_parts:{name}")')
    with pytest.raises(PluginError, match=r"has kinds = .*say which events it reads"):
        parts.host().create("analyst", "x")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SeesAhead", r"latency = datetime\.timedelta\(days=-30\)"),
        ("TakesForever", "timedelta from 0 to 30 days"),
        ("TakesText", "latency = '2s'"),
        ("NaivelyClean", "clean_from = .*time zone"),
    ],
)
def test_an_analyst_cannot_speak_before_its_events(name: str, said: str, parts: Site) -> None:
    parts.registering("p", f'add.analyst("x", "zz_parts:{name}")')
    with pytest.raises(PluginError, match=said):
        parts.host().create("analyst", "x")


def test_unknown_names_and_kinds_are_answered_with_the_nearest(parts: Site) -> None:
    parts.registering("p", 'add.bars("tape", "zz_parts:Loads")')
    host = parts.host()
    with pytest.raises(PluginError, match=r"no bars 'tap' .did you mean 'tape'"):
        host.target("bars", "tap")
    with pytest.raises(PluginError, match="no plugin offers one"):
        host.create("notifier", "bell")
    with pytest.raises(PluginError, match=r"there is no kind 'bar' .did you mean 'bars'"):
        host.names("bar")


def test_an_instance_is_made_from_its_table(parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Options")', 'add.notifier("y", "zz_parts:Anything")')
    config = parts.config(
        """
        [notify.x]
        url = "https://example.org"
        token = "env:BELL_TOKEN"
        limit = 5
        [notify.y]
        nested = {secret = "env:BELL_TOKEN", list = ["env:BELL_TOKEN", "b"]}
        """,
        BELL_TOKEN="hunter22",
    )
    host = parts.host(config)
    made = host.create("notifier", "x")
    assert (made.url, made.token, made.limit) == ("https://example.org", "hunter22", 5)
    assert host.create("notifier", "y").options == {
        "nested": {"secret": "hunter22", "list": ["hunter22", "b"]}
    }
    assert host.create("notifier", "x") is not made


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ('url = "u"\nlimt = 3', "[notify.x] has no option 'limt' (did you mean 'limit'?)"),
        ('url = "u"\nzzz = 3', "[notify.x] has no option 'zzz' (it takes url, token, limit)"),
        ("limit = 3", "[notify.x] needs the option 'url'"),
        ('url = "u"\ntoken = "env:NOT_SET"', "[notify.x] token asks for the environment variable NOT_SET"),
    ],
)
def test_wrong_options_are_configuration_errors(table: str, error: str, parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Options")')
    host = parts.host(parts.config(f"[notify.x]\n{table}"))
    with pytest.raises(ConfigError) as caught:
        host.create("notifier", "x")
    assert error in str(caught.value)


@pytest.mark.parametrize("token", ['"env:BELL_TOKEN"', '"hunter22"'])
@pytest.mark.parametrize("limit", [-1, 99])
def test_a_constructor_that_fails_shows_no_secret(token: str, limit: int, parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Options")')
    config = parts.config(f'[notify.x]\nurl = "u"\ntoken = {token}\nlimit = {limit}', BELL_TOKEN="hunter22")
    host = parts.host(config)
    with pytest.raises(PluginError, match="'x' cannot be made") as caught:
        host.create("notifier", "x")
    story = "".join(traceback.format_exception(caught.value))
    assert "***" in str(caught.value)
    assert "hunter22" not in story
    assert host.scrub("it was hunter22") == "it was ***"


def test_a_constructor_may_refuse_its_options_itself(parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Refuses")')
    host = parts.host(parts.config('[notify.x]\ntoken = "hunter22"'))
    with pytest.raises(ConfigError, match=r"^\*\*\* is too short \(not \*\*\*\)$"):
        host.create("notifier", "x")


def test_a_class_without_options_says_so(parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Sends")')
    with pytest.raises(ConfigError, match=r"has no option 'a' \(it takes none\)"):
        parts.host(parts.config("[notify.x]\na = 1")).create("notifier", "x")


def test_what_tells_no_signature_is_called_as_it_is(parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Mapped")')
    assert parts.host(parts.config("[notify.x]\na = 1")).create("notifier", "x") == {"a": 1}


def test_short_values_are_not_scrubbed_from_messages(parts: Site) -> None:
    parts.registering("p", 'add.notifier("x", "zz_parts:Anything")')
    host = parts.host(parts.config('[notify.x]\ntoken = "abc"\nplain = "abcdef"'))
    host.create("notifier", "x")
    assert host.scrub("abcdef") == "abcdef"


def test_an_interrupt_while_importing_passes(parts: Site) -> None:
    parts.module("zz_slow", "raise KeyboardInterrupt")
    parts.registering("p", 'add.bars("x", "zz_slow:X")')
    with pytest.raises(KeyboardInterrupt):
        parts.host().target("bars", "x")
