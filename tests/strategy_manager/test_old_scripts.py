"""Old Backtrader scripts: loaded for their strategy, without doing what they did on their own."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from textwrap import dedent

import backtrader as bt
import pytest

from robo_trader.errors import StrategyError
from robo_trader.plugins import PluginHost
from robo_trader.strategy_manager import StrategyRef, find_strategy
from robo_trader.strategy_manager.load import load_file


def load(code: str, host: PluginHost, name: str = "old.py") -> StrategyRef:
    """Write a script and find its strategy."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(dedent(code), encoding="utf-8")
    return find_strategy(name, host)


CLASS = "import backtrader as bt\n\nclass Old(bt.Strategy):\n    params = (('period', 15),)\n\n"


@pytest.mark.parametrize(
    "bottom",
    [
        "cerebro = bt.Cerebro()\ncerebro.addstrategy(Old)\ncerebro.run()\nopen('after', 'w')",
        "bt.Cerebro().plot()\nopen('after', 'w')",
        "try:\n    bt.Cerebro().run()\nexcept Exception:\n    pass\nopen('after', 'w')",
        "class Own(bt.Cerebro):\n    def run(self):\n        super().run()\nOwn().run()\nopen('after', 'w')",
        "import robo_trader\nrobo_trader.backtest(Old)\nopen('after', 'w')",
        "if __name__ == '__main__':\n    open('after', 'w')",
    ],
)
def test_its_own_run_does_not_fire(bottom: str, host: PluginHost) -> None:
    run, plot = bt.Cerebro.run, bt.Cerebro.plot
    ref = load(CLASS + bottom, host)
    assert (ref.cls.__name__, ref.notes) == ("Old", ())
    assert [path.name for path in Path().iterdir()] == ["old.py"]
    assert (bt.Cerebro.run, bt.Cerebro.plot) == (run, plot)


def test_arguments_and_input_are_not_ours(host: PluginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["robo", "backtest", "--cash", "5"])
    stdin = sys.stdin
    ref = load(
        """
        import argparse
        import backtrader as bt
        parser = argparse.ArgumentParser()
        parser.add_argument("--period", type=int, default=7)
        args = parser.parse_args()
        class Old(bt.Strategy):
            params = dict(period=args.period)
        answer = input("more? ")
        """,
        host,
    )
    assert ref.cls.params.period == 7
    assert sys.argv == ["robo", "backtest", "--cash", "5"] and sys.stdin is stdin
    assert ref.notes == (
        "old.py:9: the rest of the file was left out (EOFError: EOF when reading a line); "
        "its strategies are defined",
    )


@pytest.mark.parametrize(
    ("bottom", "note"),
    [
        ("import sys\nsys.exit(3)", "old.py:7: the rest of the file was left out (it exits with 3)"),
        ("open('no-such-data.csv')", "(FileNotFoundError: [Errno 2] No such file"),
        (
            "def main():\n    raise ValueError\nmain()",
            "old.py:7: the rest of the file was left out (ValueError)",
        ),
        ("import zz_quotes", "(ModuleNotFoundError: No module named 'zz_quotes')"),
    ],
)
def test_what_ends_it_after_the_class_is_a_note(bottom: str, note: str, host: PluginHost) -> None:
    (said,) = load(CLASS + bottom, host).notes
    assert note in said


def test_an_interrupt_passes_and_leaves_nothing_behind(host: PluginHost) -> None:
    run, path = bt.Cerebro.run, sys.path[0]
    with pytest.raises(KeyboardInterrupt):
        load(CLASS + "raise KeyboardInterrupt", host)
    assert bt.Cerebro.run is run and sys.path[0] == path
    assert not [name for name in sys.modules if name.endswith(".old")]


def test_what_it_prints_stays_off_stdout(host: PluginHost, capsys: pytest.CaptureFixture[str]) -> None:
    load(CLASS + "print('Starting Portfolio Value')", host)
    captured = capsys.readouterr()
    assert captured.out == "" and "Starting Portfolio Value" in captured.err


SIBLINGS = """
import backtrader as bt
{}
class Old(bt.Strategy):
    params = dict(period=PERIOD)
    def late(self):
        import zz_late
        return zz_late.X
"""


@pytest.mark.parametrize("line", ["from zz_helper import PERIOD", "from .zz_helper import PERIOD"])
@pytest.mark.parametrize("folder", ["scripts", "zz_package/sub"])
def test_siblings_can_be_imported(line: str, folder: str, host: PluginHost) -> None:
    Path(folder).mkdir(parents=True)
    for parent in [Path(folder), *Path(folder).parents][:-1]:
        if folder.startswith("zz_"):
            (parent / "__init__.py").write_text("")
    Path(folder, "zz_helper.py").write_text("PERIOD = 21\n")
    Path(folder, "zz_late.py").write_text("X = 3\n")
    ref = load(SIBLINGS.format(line), host, f"{folder}/old.py")
    assert ref.cls.params.period == 21
    assert ref.cls.late(None) == 3


def test_a_file_inside_a_package_that_imports_it(host: PluginHost) -> None:
    Path("zz_package").mkdir()
    Path("zz_package/__init__.py").write_text("from zz_package.old import Old\n")
    Path("zz_package/other.py").write_text("PERIOD = 4\n")
    ref = load(SIBLINGS.format("from zz_package.other import PERIOD"), host, "zz_package/old.py")
    assert ref.cls.params.period == 4
    assert sys.modules["zz_package"].Old.__module__ == "zz_package.old"


def test_a_script_may_change_the_path_itself(host: PluginHost) -> None:
    ref = load("import sys\nsys.path.pop(0)\n" + CLASS, host)
    assert ref.cls.__name__ == "Old"


def test_dataclasses_and_pickles_find_the_module(host: PluginHost) -> None:
    ref = load(
        """
        from __future__ import annotations
        from dataclasses import dataclass, field
        import backtrader as bt

        @dataclass
        class Level:
            price: float = 1.0
            notes: list[str] = field(default_factory=list)

        class Old(bt.Strategy):
            level = Level()
        """,
        host,
    )
    assert pickle.loads(pickle.dumps(ref.cls.level)) == ref.cls.level
    assert pickle.loads(pickle.dumps(ref.cls)) is ref.cls


def test_loading_again_reads_the_file_again(host: PluginHost) -> None:
    first = load(CLASS, host)
    second = load(CLASS.replace("15", "30"), host)
    assert (first.cls.params.period, second.cls.params.period) == (15, 30)


def test_declared_encodings_and_odd_names(host: PluginHost) -> None:
    text = "# -*- coding: latin-1 -*-\n" + CLASS.replace("    params", "    'Übung'\n    params")
    Path("my old-script 2.py").write_bytes(text.encode("latin-1"))
    ref = find_strategy("my old-script 2.py", host)
    assert (ref.cls.__doc__, ref.name) == ("Übung", "my_old-script_2")


def test_a_failing_file_leaves_no_module(host: PluginHost) -> None:
    with pytest.raises(StrategyError):
        load("1 / 0", host)
    assert not [name for name in sys.modules if name.endswith(".old")]


def test_what_a_script_sets_for_its_own_run_is_named_as_unused(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    body = "import backtrader as bt\nclass S(bt.Strategy): pass\ncerebro = bt.Cerebro()\n{}\ncerebro.run()\n"
    file.write_text(body.format("pass"))
    assert load_file(file)[1] == []
    settings = "cerebro.addsizer(bt.sizers.FixedSize, stake=25); cerebro.broker.setcash(5000)"
    file.write_text(body.format(f"{settings}; cerebro.broker.setcommission(0.01)"))
    (note,) = load_file(file)[1]
    assert note.endswith("the sizer FixedSize, cash 5000 (--cash), commission 0.01 (--commission)")


def test_settings_of_a_main_block_are_named(tmp_path: Path, host: PluginHost) -> None:
    script = tmp_path / "guarded.py"
    script.write_text(
        "import backtrader as bt\n"
        "class Mine(bt.Strategy):\n"
        "    def __init__(self):\n"
        "        self.broker.setcommission(0.001)\n"
        "if __name__ == '__main__':\n"
        "    cerebro = bt.Cerebro()\n"
        "    cerebro.addsizer(bt.sizers.FixedSize, stake=10)\n"
        "    cerebro.broker.setcash(5000)\n"
        "    cerebro.run()\n"
    )
    (note,) = find_strategy(str(script), host).notes
    assert "a sizer" in note
    assert "cash (--cash)" in note
    assert "commission" not in note
