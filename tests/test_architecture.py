"""The floors of the house: imports point down a floor, or along a drawn arrow on one floor.

Every import counts, inside functions and under ``TYPE_CHECKING`` too. A module of the package that
stands on no floor fails, so that a new room is drawn here before it is built.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import robo_trader

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "robo_trader"

#: Rooms, from the ground up. On floor 0 they are words of one language and may use each other.
FLOORS: dict[int, str] = {
    0: "records instruments hookspecs plugins plugin_discovery plugin_hooks plugin_observers plugin_rows"
    " plugin_targets builtin config config_schema config_values masking clock calendars zones errors"
    " versions",
    1: "news events bars journal state bundled databases",
    2: "intelligence signals sentiment ml_models regime options_flow microstructure"
    " risk matching sizing analytics",
    3: "strategy_manager strategies strategy indicators feeds analyzers",
    4: "engine ib gateway runs report",
    5: "backtesting comparisons inputs roles live optimize audit monitoring",
    6: "cli testing __main__",
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}

#: Who may import whom on one floor. `inputs`, `roles` and `comparisons` are what the verbs share.
ARROWS: dict[str, str] = {
    "news": "events",
    "events": "databases",
    "journal": "databases",
    "intelligence": "signals",
    "risk": "analytics",
    "matching": "analytics",
    "sizing": "analytics",
    "strategy_manager": "strategies strategy indicators feeds",
    "strategies": "strategy indicators feeds",
    "strategy": "indicators feeds",
    "indicators": "feeds",
    "runs": "report",
    "backtesting": "comparisons inputs roles",
    "roles": "inputs",
    # The audit of parity runs a strategy through the live path as well.
    "audit": "inputs roles live",
    "ib": "engine",
    "live": "inputs roles",
    "optimize": "inputs",
    "__main__": "cli",
}
#: The record of a run is plain data, without Backtrader and without a rule: all of floor 4 reads it.
SHARED = {"robo_trader.engine.record": 4}
BACKTRADER_FLOORS = (3, 4, 5)
PUBLIC = ("robo_trader", "robo_trader.sizing", "robo_trader.testing")


@dataclass(frozen=True)
class Import:
    """One imported name: the module it comes from, the name (empty for the module), the line."""

    module: str
    name: str
    line: int


def imports_of(source: str, package: str) -> Iterator[Import]:
    """Yield every import in `source`, relative ones resolved against `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)


def room_of(module: str, name: str = "") -> str:
    """Return the room that an import of ours leads to; empty for the package's own face."""
    parts = module.split(".")[1:]
    return parts[0] if parts else name if name in FLOOR else ""


def problem(room: str, found: Import) -> str:
    """Return what is wrong with an import made in `room`, or an empty string."""
    top = found.module.partition(".")[0]
    if top == "backtrader" and FLOOR[room] not in BACKTRADER_FLOORS:
        return "Backtrader is imported on floors 3 to 5 only"
    if top != "robo_trader":
        return ""
    other = room_of(found.module, found.name)
    if not other:
        return "" if found.name == "__version__" else "import the name from the module that defines it"
    if other not in FLOOR:
        return f"{other} stands on no floor"
    if room == "gateway" and other == "ib":
        return "gateway and ib are the two ends of a wire"
    if other == room or FLOOR[other] < FLOOR[room] or FLOOR[room] == FLOOR[other] == 0:
        return ""
    if SHARED.get(found.module) == FLOOR[room]:
        return ""
    if FLOOR[other] > FLOOR[room]:
        return f"{other} is on floor {FLOOR[other]}, above floor {FLOOR[room]}"
    return "" if other in ARROWS.get(room, "").split() else f"no arrow leads from {room} to {other}"


def outside_problem(found: Import, own: str) -> str:
    """Return what is wrong with an import made by a package that has the public API only."""
    if found.module.partition(".")[0] != "robo_trader" or found.module.partition(".")[0] == own:
        return ""
    if found.module not in PUBLIC:
        return f"{found.module} is not public"
    if found.module == "robo_trader" and found.name and found.name not in (*robo_trader.__all__, "testing"):
        return f"robo_trader does not export {found.name}"
    return ""


def modules() -> list[Path]:
    """The package's modules, but for its face, which is lazy and leads everywhere."""
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def strangers() -> list[Path]:
    """The first-party distributions and the examples."""
    return sorted(
        path
        for pattern in ("plugins/*/*/**/*.py", "strategies/*/*/**/*.py", "examples/**/*.py")
        for path in ROOT.glob(pattern)
    )


def test_every_module_stands_on_a_floor() -> None:
    homeless = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()} - set(FLOOR)
    assert homeless == set()


def test_imports_point_down_or_along_an_arrow() -> None:
    wrong = []
    for path in modules():
        relative = path.relative_to(PACKAGE)
        room = relative.parts[0].removesuffix(".py")
        package = ".".join(["robo_trader", *relative.parent.parts])
        for found in imports_of(path.read_text(encoding="utf-8"), package):
            if said := problem(room, found):
                wrong.append(f"{path.relative_to(ROOT)}:{found.line}: {said}")
    assert wrong == []


def test_the_words_do_not_go_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in PACKAGE.glob("*.py"):
        if FLOOR.get(path.stem) == 0:
            found = imports_of(path.read_text(encoding="utf-8"), "robo_trader")
            rooms = {room_of(i.module, i.name) for i in found if i.module.partition(".")[0] == "robo_trader"}
            graph[path.stem] = rooms - {""}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


def test_no_module_is_named_like_a_public_face() -> None:
    assert {path.stem for path in PACKAGE.iterdir()} & set(robo_trader.__all__) == set()


def test_first_party_packages_and_examples_use_the_public_api_only() -> None:
    assert strangers()
    wrong = []
    for path in strangers():
        for found in imports_of(path.read_text(encoding="utf-8"), ""):
            if said := outside_problem(found, ""):
                wrong.append(f"{path.relative_to(ROOT)}:{found.line}: {said}")
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "source", "said"),
    [
        ("bars", "import backtrader as bt", "Backtrader is imported on floors 3 to 5 only"),
        ("cli", "def f():\n    from backtrader.indicators import SMA", "Backtrader is imported"),
        ("bars", "from robo_trader.engine import run", "engine is on floor 4, above floor 1"),
        ("events", "import robo_trader.bars.frame", "no arrow leads from events to bars"),
        ("bars", "from robo_trader import backtesting", "backtesting is on floor 5, above floor 1"),
        ("bars", "from ..events import tape", "no arrow leads from bars to events"),
        ("strategy", "from robo_trader.strategies import X", "no arrow leads from strategy to strategies"),
        ("gateway", "from robo_trader.ib import X", "gateway and ib are the two ends of a wire"),
        ("cli", "from robo_trader import Strategy", "import the name from the module that defines it"),
        ("cli", "import robo_trader", "import the name from the module that defines it"),
        ("cli", "from robo_trader.attic import X", "attic stands on no floor"),
        ("config", "if TYPE_CHECKING:\n    from robo_trader.bars import X", "bars is on floor 1"),
        ("cli", "from robo_trader import __version__", ""),
        ("engine", "import backtrader", ""),
        ("cli", "from robo_trader.bars import X\nfrom . import help\nimport json", ""),
        ("runs", "from robo_trader.engine.run import run", "no arrow leads from runs to engine"),
        ("runs", "from robo_trader.engine.record import RunRecord", ""),
        ("bars", "from robo_trader.engine.record import RunRecord", "engine is on floor 4"),
        ("strategy_manager", "from robo_trader.strategy import Strategy", ""),
    ],
)
def test_the_judge_sees_what_is_wrong(room: str, source: str, said: str) -> None:
    problems = [problem(room, found) for found in imports_of(source, f"robo_trader.{room}")]
    assert any(said in text for text in problems) if said else not any(problems)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from robo_trader.bars.frame import BarFrame", "robo_trader.bars.frame is not public"),
        ("import robo_trader.plugins", "robo_trader.plugins is not public"),
        ("from robo_trader import plugins", "robo_trader does not export plugins"),
        ("from robo_trader import Strategy, backtest", ""),
        ("from robo_trader.testing import anything", ""),
        ("import robo_trader, pandas, robo_traders_other", ""),
    ],
)
def test_the_judge_of_strangers_sees_what_is_wrong(source: str, said: str) -> None:
    problems = [outside_problem(found, "") for found in imports_of(source, "")]
    assert any(said in text for text in problems) if said else not any(problems)
