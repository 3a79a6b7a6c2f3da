"""Hooks: misspelt names, wrong arguments and useless shapes are refused by name."""

from __future__ import annotations

import pytest

from robo_trader.hookspecs import API_VERSION, HOOKS, KINDS, OBSERVERS, Registry

from .conftest import Site

HOOK = "from robo_trader import hookimpl\n\n"


def test_the_hooks_are_these() -> None:
    assert HOOKS == {
        "robo_register": ("add",),
        "robo_run_started": ("run",),
        "robo_order_decided": ("decision",),
        "robo_fill": ("fill",),
        "robo_run_finished": ("result",),
        "robo_alert": ("alert",),
    }
    assert set(OBSERVERS) == set(HOOKS) - {"robo_register"}


def test_every_kind_has_its_registration_method() -> None:
    add = Registry()
    for kind in KINDS:
        getattr(add, kind)("thing", "module:Class")
    assert [offer.kind for offer in add.offers] == list(KINDS)


@pytest.mark.parametrize(
    ("code", "error", "fix"),
    [
        ("@hookimpl\ndef robo_fil(fill): ...", "there is no hook 'robo_fil'", "did you mean 'robo_fill'?"),
        ("@hookimpl\ndef register(add): ...", "there is no hook 'register'", "did you mean 'robo_register'?"),
        ("def robo_regster(add): ...", "there is no hook 'robo_regster'", "did you mean 'robo_register'?"),
        ("def robo_zzz(): ...", "there is no hook 'robo_zzz'", "hooks are robo_register, robo_run_started"),
        ("@hookimpl(specname='robo_fils')\ndef f(fill): ...", "no hook 'robo_fils'", "'robo_fill'"),
        ("def robo_register(add): ...", "robo_register is not marked", "@robo_trader.hookimpl"),
        (
            "@hookimpl\ndef robo_fill(fil): ...",
            "an argument 'fil'",
            "did you mean 'fill'? write 'def robo_fill(fill)'",
        ),
        ("@hookimpl\ndef robo_fill(fill, order): ...", "an argument 'order'", "write 'def robo_fill(fill)'"),
        ("@hookimpl\ndef robo_fill(fill=None): ...", "gives 'fill' a default", "write 'def robo_fill(fill)'"),
        (
            "@hookimpl\ndef robo_fill(*a): ...",
            "takes '*a', which is never passed",
            "write 'def robo_fill(fill)'",
        ),
        ("@hookimpl\ndef robo_fill(**kw): ...", "takes '**kw', which is never passed", "write"),
        ("@hookimpl\ndef robo_fill(*, fill): ...", "takes 'fill', which is never passed", "write"),
        ("@hookimpl\ndef robo_register(): ...", "takes no 'add'", "write 'def robo_register(add)'"),
        ("@hookimpl\nasync def robo_fill(fill): ...", "is async", "write 'def robo_fill(fill)'"),
        ("@hookimpl\ndef robo_fill(fill): yield", "is a generator", "without yield"),
        ("@hookimpl(hookwrapper=True)\ndef robo_fill(fill): yield", "is marked as a wrapper", "write"),
        ("@hookimpl(wrapper=True)\ndef robo_fill(fill): yield", "is marked as a wrapper", "write"),
        (
            "@hookimpl\ndef robo_fill(fill): ...\n@hookimpl(specname='robo_fill')\ndef other(fill): ...",
            "implements robo_fill twice",
            "keep one",
        ),
    ],
)
def test_a_wrong_hook_is_refused_by_name(code: str, error: str, fix: str, site: Site) -> None:
    site.plugin("wrong", HOOK + code)
    row = site.row("wrong")
    assert row.state == "quarantined"
    assert error in row.error
    assert fix in row.fix


def test_helpers_and_modules_whose_names_begin_alike_are_left_alone(site: Site) -> None:
    site.module("zz_tools", "def robo_helper(x): ...")
    site.plugin(
        "fine",
        """
        import zz_tools as robo_tools
        from zz_tools import robo_helper
        from robo_trader import hookimpl

        robo_constant = 3

        @hookimpl
        def robo_fill(): ...
        """,
    )
    assert site.row("fine").state == "ok"


def test_a_hook_may_have_another_name_when_it_says_so(site: Site) -> None:
    site.plugin("named", HOOK + "@hookimpl(specname='robo_register')\ndef go(add): add.bars('tape', 'm:C')")
    assert site.host().names("bars") == ["ib", "tape"]


@pytest.mark.parametrize(
    ("needs", "state", "error"),
    [
        ("1", "ok", ""),
        (str(API_VERSION + 1), "quarantined", f"needs version {API_VERSION + 1} of the hooks"),
        ("0", "quarantined", "ROBO_API must be a whole number from 1 on, not 0"),
        ("True", "quarantined", "not True"),
        ("'1'", "quarantined", "not '1'"),
    ],
)
def test_a_plugin_may_say_which_hooks_it_needs(needs: str, state: str, error: str, site: Site) -> None:
    site.plugin("newer", f"{HOOK}ROBO_API = {needs}\n@hookimpl\ndef robo_fill(fill): ...")
    row = site.row("newer")
    assert (row.state, error in row.error) == (state, True)
    if int(needs.strip("'").replace("True", "0")) > API_VERSION:
        assert "pip install --upgrade robo_trader" in row.fix
