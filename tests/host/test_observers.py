"""Observers watch a run; what goes wrong in one is a warning and nothing else."""

from __future__ import annotations

import sys

import pytest

from .conftest import REGISTER, Site

WATCH = """
from robo_trader import hookimpl
seen = []

@hookimpl
def robo_fill(fill):
    seen.append(fill)
"""


def _seen(name: str) -> list[object]:
    return sys.modules[f"zz_{name}"].seen  # type: ignore[no-any-return]


def test_every_observer_is_told(site: Site) -> None:
    site.plugin("one", WATCH)
    site.plugin("two", WATCH)
    host = site.host()
    host.hook.robo_fill(fill="a fill")
    assert _seen("one") == _seen("two") == ["a fill"]
    assert host.hook.take_warnings() == []


def test_each_hook_reaches_its_name(site: Site) -> None:
    names = {"robo_run_started": "run", "robo_order_decided": "decision", "robo_run_finished": "result"}
    names["robo_alert"] = "alert"
    code = "from robo_trader import hookimpl\nseen = []\n"
    for name, argument in names.items():
        code += f"@hookimpl\ndef {name}({argument}): seen.append(({name!r}, {argument}))\n"
    site.plugin("all", code)
    hook = site.host().hook
    for number, (name, argument) in enumerate(names.items()):
        assert hook.wanted(name)
        getattr(hook, name)(**{argument: number})
    assert not hook.wanted("robo_fill")
    assert _seen("all") == [(name, number) for number, name in enumerate(names)]


def test_one_that_raises_is_one_warning_and_the_others_go_on(site: Site) -> None:
    site.plugin("bad", "from robo_trader import hookimpl\n@hookimpl\ndef robo_fill(fill): 1 / 0\n")
    site.plugin(
        "leaves", "from robo_trader import hookimpl\n@hookimpl\ndef robo_fill(): raise SystemExit(1)\n"
    )
    site.plugin("one", WATCH)
    hook = site.host().hook
    for number in range(3):
        hook.robo_fill(fill=number)
    assert _seen("one") == [0, 1, 2]
    assert sorted(hook.take_warnings()) == [
        "plugin bad (robo-bad): robo_fill raised ZeroDivisionError: division by zero",
        "plugin leaves (robo-leaves): robo_fill raised SystemExit: 1",
    ]
    assert hook.take_warnings() == []


def test_an_interrupt_passes(site: Site) -> None:
    site.plugin(
        "slow", "from robo_trader import hookimpl\n@hookimpl\ndef robo_fill(): raise KeyboardInterrupt\n"
    )
    with pytest.raises(KeyboardInterrupt):
        site.host().hook.robo_fill(fill=1)


def test_a_quarantined_plugin_hears_nothing(site: Site) -> None:
    site.plugin("one", WATCH + REGISTER + "    add.bars('tape', 'm:A')\n")
    site.plugin("two", WATCH + REGISTER + "    add.bars('tape', 'm:A')\n")
    site.plugin("half", WATCH + "@hookimpl\ndef robo_run_startd(run): ...\n")
    host = site.host()
    assert len(host.quarantined()) == 3
    host.hook.robo_fill(fill=1)
    assert _seen("one") == _seen("two") == _seen("half") == []


def test_tryfirst_is_kept(site: Site) -> None:
    code = "import zz_order\nfrom robo_trader import hookimpl\n"
    code += "@hookimpl({})\ndef robo_fill(fill): zz_order.seen.append({!r})\n"
    site.module("zz_order", "seen = []")
    site.plugin("late", code.format("trylast=True", "late"))
    site.plugin("early", code.format("tryfirst=True", "early"))
    site.plugin("plain", code.format("", "plain"))
    site.host().hook.robo_fill(fill=1)
    assert _seen("order") == ["early", "plain", "late"]
