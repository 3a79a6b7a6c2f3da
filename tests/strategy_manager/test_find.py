"""Finding a strategy: by plugin, file or module; what is wrong is one clear line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import backtrader as bt
import pytest

from robo_trader.errors import StrategyError
from robo_trader.plugins import PluginHost, load_host
from robo_trader.strategy_manager import find_strategy, stop_if_loading
from robo_trader.strategy_manager.find import snake
from robo_trader.strategy_manager.load import LoadStopped


def write(name: str, code: str) -> Path:
    """Write a file into the current folder."""
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(code), encoding="utf-8")
    return file


ONE = "import backtrader as bt\nclass Cross(bt.Strategy):\n    params = dict(fast=10)\n"


def test_a_plugin_s_strategy_by_name(host: PluginHost) -> None:
    ref = find_strategy("buy_and_hold", host)
    assert (ref.cls.__name__, ref.name, ref.origin) == ("BuyAndHold", "buy_and_hold", "plugin robo_trader")
    assert ref.source_path is not None and ref.source_path.name == "strategies.py"
    assert ref.notes == ()


def test_a_class_is_taken_as_it_is(host: PluginHost) -> None:
    class SmaCross(bt.Strategy): ...

    ref = find_strategy(SmaCross, host)
    assert (ref.cls, ref.name) == (SmaCross, "sma_cross")
    assert ref.source_path == Path(__file__).resolve()


def test_a_class_that_is_no_strategy(host: PluginHost) -> None:
    with pytest.raises(StrategyError, match="not a strategy"):
        find_strategy(dict, host)


@pytest.mark.parametrize("spec", ["cross.py", "./cross.py", " cross.py "])
def test_a_file_with_one_strategy(spec: str, host: PluginHost) -> None:
    file = write("cross.py", ONE)
    ref = find_strategy(spec, host)
    assert (ref.cls.__name__, ref.name) == ("Cross", "cross")
    assert ref.source_path == file.resolve()
    assert ref.origin == f"file {Path(spec.strip())}"


def test_one_of_several_by_name(host: PluginHost) -> None:
    write("two.py", ONE + "class SmaCross2(bt.Strategy): ...\n")
    ref = find_strategy("two.py:SmaCross2", host)
    assert (ref.cls.__name__, ref.name) == ("SmaCross2", "sma_cross2")


def test_a_module_and_its_class(host: PluginHost) -> None:
    write("zz_package/__init__.py", "")
    write("zz_package/inner.py", ONE)
    ref = find_strategy("zz_package.inner:Cross", host)
    assert (ref.cls.__module__, ref.name) == ("zz_package.inner", "cross")


def test_bases_and_imported_strategies_do_not_count(host: PluginHost) -> None:
    write(
        "leaf.py",
        """
        from backtrader import Strategy
        from backtrader.strategies import MA_CrossOver
        class Base(Strategy): ...
        class Middle(Base): ...
        class Leaf(Middle): ...
        Alias = Leaf
        """,
    )
    assert find_strategy("leaf.py", host).cls.__name__ == "Leaf"
    assert find_strategy("leaf.py:Base", host).cls.__name__ == "Base"
    assert find_strategy("leaf.py:MA_CrossOver", host).cls.__name__ == "MA_CrossOver"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("buy_and_hodl", "there is no strategy 'buy_and_hodl' (did you mean 'buy_and_hold'?)"),
        ("buy-and-hold", "there is no strategy 'buy-and-hold' (did you mean 'buy_and_hold'?)"),
        ("cross", "there is no strategy 'cross' (did you mean the file cross.py?)"),
        ("notes.txt", "(a file with a strategy ends in .py)"),
        ("xyz", "(installed are buy_and_hold, fomc_drift, random_entry; a file is named with its .py)"),
        ("crss.py", "there is no file crss.py (did you mean 'cross.py'?)"),
        ("nowhere/cross.py", "there is no file nowhere/cross.py"),
        ("folder.py", "folder.py cannot be read: Is a directory"),
        ("broken.py", "broken.py:2: '(' was never closed (mend the file; nothing was run)"),
        ("binary.py", "binary.py"),
        ("empty.py", "empty.py defines no strategy (derive a class from robo_trader.Strategy"),
        (
            "imports.py",
            "no strategy (it imports MA_CrossOver; if you mean that, write backtrader.strategies.sma",
        ),
        ("two.py", "two.py defines 2 strategies: Cross, Other (choose one: two.py:Cross)"),
        ("two.py:Crss", "two.py has no 'Crss' (did you mean 'Cross'?)"),
        ("two.py:Zzz", "two.py has no 'Zzz' (it defines Cross, Other)"),
        ("two.py:bt", "two.py:bt is <module 'backtrader'"),
        ("raises.py", "raises.py:3: ZeroDivisionError: division by zero (the file ended before it defined"),
        ("exits.py", "exits.py:1: it exits with 'bye' (the file ended before it defined a strategy)"),
        ("missing.py", "No module named 'zz_quotes' (install 'zz_quotes', or take the import out"),
        ("early.py", "early.py defines no strategy"),
        ("zz_nowhere:Cross", "there is no module 'zz_nowhere'"),
        ("zz_needs:Cross", "importing zz_needs failed: No module named 'zz_more' (install 'zz_more')"),
        ("zz_fails:Cross", "importing zz_fails failed: ValueError: no luck"),
        ("zz_fine:Crss", "zz_fine has no 'Crss' (did you mean 'Cross'?)"),
        ("zz_runs:Cross", "the module zz_runs starts a run when it is imported"),
        ("a b:C", "a b:C names no strategy (write module:Class or file.py:Class)"),
        ("cross:", "cross: names no strategy"),
        ("", "there is no strategy ''"),
    ],
)
def test_what_cannot_be_found_is_one_clear_line(spec: str, error: str, host: PluginHost) -> None:
    write("cross.py", ONE)
    write("notes.txt", "")
    Path("folder.py").mkdir()
    write("broken.py", "import backtrader as bt\nx = (1,\n")
    Path("binary.py").write_bytes(b"x = 1\0\n")
    write("empty.py", "x = 1\n")
    write("imports.py", "from backtrader.strategies import MA_CrossOver\n")
    write("two.py", ONE + "class Other(bt.Strategy): ...\n")
    write("raises.py", "def f():\n    pass\n1 / 0\n" + ONE)
    write("exits.py", "import sys; sys.exit('bye')\n" + ONE)
    write("missing.py", "import zz_quotes\n" + ONE)
    write("early.py", "import backtrader as bt\nbt.Cerebro().run()\n" + ONE)
    write("zz_needs.py", "import zz_more\n")
    write("zz_fails.py", "raise ValueError('no luck')\n")
    write("zz_fine.py", ONE)
    write("zz_runs.py", ONE + "bt.Cerebro().run()\n")
    with pytest.raises(StrategyError) as caught:
        find_strategy(spec, host)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_quarantined_plugin_s_strategy_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register = (
        "from robo_trader import hookimpl\n@hookimpl\ndef robo_register(add):\n    add.strategy('x', 'm:C')\n"
    )
    for name in ("zz_one", "zz_two"):
        write(f"{name}.py", register)
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[robo_trader]\n{name} = {name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = load_host(environ={}, path=[str(tmp_path)])
    with pytest.raises(StrategyError, match="broken: the strategy 'x' is offered by zz_one"):
        find_strategy("x", broken)


def test_a_lazy_target_that_fails_is_a_strategy_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "from robo_trader import hookimpl\n@hookimpl\ndef robo_register(add):\n"
    write("zz_lazy.py", head + "    add.strategy('x', 'zz_absent:C')\n")
    info = tmp_path / "zz_lazy-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[robo_trader]\nzz_lazy = zz_lazy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StrategyError, match="importing zz_absent failed"):
        find_strategy("x", load_host(environ={}, path=[str(tmp_path)]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SmaCross", "sma_cross"),
        ("SMACross", "sma_cross"),
        ("my-old file", "my-old_file"),
        ("Ünder", "nder"),
        ("!", "strategy"),
    ],
)
def test_names_fit_for_folders(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_nothing_stops_outside_of_a_load() -> None:
    stop_if_loading()
    assert issubclass(LoadStopped, BaseException) and not issubclass(LoadStopped, Exception)
