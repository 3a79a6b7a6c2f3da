"""The public face: flat, sorted, lazy, and each name what it says."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import robo_trader
from robo_trader import errors

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numpy", "pandas", "backtrader", "matplotlib", "exchange_calendars", "bokeh", "sklearn")

#: The names of the plan of record that must be importable from the first day.
ROOMS = """
intelligence news events options_flow microstructure regime strategy_manager strategies ml_models sentiment
analytics monitoring journal state ib gateway live optimize audit
"""

PROMISED = """
Strategy Event View Abstain Signal Instrument BarFrame EventSource Analyst SignalSource BarSource RiskRule
Notifier hookimpl backtest Result __version__
"""


def fresh(code: str) -> str:
    """Run `code` in a new interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_is_flat_and_sorted() -> None:
    assert robo_trader.__all__ == sorted(robo_trader.__all__)
    assert len(set(robo_trader.__all__)) == len(robo_trader.__all__)
    assert dir(robo_trader) == robo_trader.__all__


def test_the_promised_names_are_there_and_no_others() -> None:
    tree = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert set(robo_trader.__all__) == {*PROMISED.split(), *tree}


@pytest.mark.parametrize("name", robo_trader.__all__)
def test_each_name_leads_to_the_thing_of_that_name(name: str) -> None:
    value = getattr(robo_trader, name)
    assert not isinstance(value, ModuleType)
    if name not in ("hookimpl", "__version__"):
        assert value.__name__ == name
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'robo_trader' has no attribute 'Stratgy'"):
        robo_trader.Stratgy  # noqa: B018


def test_a_star_import_works() -> None:
    names: dict[str, object] = {}
    exec("from robo_trader import *", names)
    assert set(robo_trader.__all__) <= set(names)


def test_the_version_is_the_distribution_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert robo_trader.__version__ == project["version"] == version("robo_trader")


@pytest.mark.parametrize(
    "code",
    [
        "import robo_trader",
        "from robo_trader import hookimpl, Event, View, Abstain, Signal, Instrument, RoboError",
        "from robo_trader import Analyst, Notifier, RiskRule",
        "from robo_trader.plugins import load_host; load_host().names('strategy')",
        "from robo_trader.config import load_config; load_config().rows()",
        "import robo_trader.calendars, robo_trader.hookspecs, robo_trader.cli.main, robo_trader.cli.scaffold",
    ],
)
def test_what_is_light_imports_nothing_heavy(code: str) -> None:
    check = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    assert fresh(check) == "[]"


@pytest.mark.parametrize("room", ROOMS.split())
def test_the_rooms_of_the_plan_are_importable(room: str) -> None:
    module = importlib.import_module(f"robo_trader.{room}")
    assert module.__doc__ and module.__doc__.strip()


def test_every_module_has_a_docstring_and_imports() -> None:
    for found in pkgutil.walk_packages(robo_trader.__path__, "robo_trader."):
        if not found.name.endswith("__main__"):
            assert importlib.import_module(found.name).__doc__, found.name
