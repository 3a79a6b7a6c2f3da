"""What holds for every file of the repository: sizes, paths, licences, and how dependencies are named."""

from __future__ import annotations

import configparser
import os
import re
import statistics
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = sorted(
    p.parent for p in [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("strategies/*/pyproject.toml")]
)
LONGEST = 500


def _project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def _tracked() -> tuple[Path, ...]:
    """The files that git knows; outside a checkout (an unpacked sdist) the test skips."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def _texts() -> list[tuple[Path, str]]:
    out = []
    for path in _tracked():
        try:
            out.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a picture or another binary file
    return out


def test_modules_stay_short() -> None:
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in _tracked() if p.suffix == ".py"}
    assert {str(p.relative_to(ROOT)): n for p, n in lines.items() if n > LONGEST} == {}
    package = [n for p, n in lines.items() if p.is_relative_to(ROOT / "robo_trader") and n > 5]
    assert statistics.median(package) <= 200


def test_no_path_of_a_machine() -> None:
    roots = "|".join(["wor" + "k", "ro" + "ot", "home", "Users", "opt"])
    absolute = re.compile(rf"(?<![\w.~$}}/-])/(?:{roots})/[\w.]|\b[A-Z]:\\+Users\\")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in _texts()
        if path.name != "LICENSE" and path != Path(__file__)
        for match in absolute.finditer(text)
    ]
    assert found == []


def test_no_hidden_characters() -> None:
    """Characters that make text read otherwise than it is: bidirectional marks, zero width, tags."""
    hidden = re.compile(
        "[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
    )
    assert [str(path.relative_to(ROOT)) for path, text in _texts() if hidden.search(text)] == []


def test_every_data_file_of_the_package_is_in_the_wheel() -> None:
    package = ROOT / "robo_trader"
    patterns = _project(ROOT)["tool"]["setuptools"]["package-data"]["robo_trader"]
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    data = [path for path in _tracked() if path.is_relative_to(package) and path.suffix != ".py"]
    assert [str(path.relative_to(ROOT)) for path in data if path not in shipped] == []


def test_setup_cfg_holds_tool_configuration_only() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert {"metadata", "options"} & {name.split(".")[0] for name in parser.sections()} == set()


def test_no_lock_file_is_committed() -> None:
    assert [p.name for p in _tracked() if p.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}] == []


def test_requirements_name_every_distribution_by_path() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = [line.removeprefix("-e ") for line in lines if line and not line.startswith("#")]
    assert named == [".[ib-async]", *(f"./{d.relative_to(ROOT).as_posix()}" for d in DISTRIBUTIONS)]


def test_no_requirement_asks_an_index_for_an_own_name() -> None:
    own = {_project(folder)["project"]["name"] for folder in [ROOT, *DISTRIBUTIONS]}
    root = _project(ROOT)
    groups = {**root["project"]["optional-dependencies"], **root.get("dependency-groups", {})}
    wanted = [*root["project"]["dependencies"], *(text for group in groups.values() for text in group)]
    for name in ("requirements.txt", "requirements-dev.txt"):
        wanted += [
            line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line[:1].isalpha()
        ]
    assert {_name(text) for text in wanted} & {name.lower().replace("_", "-") for name in own} == set()
    assert root["tool"]["uv"]["sources"]["robo_trader"] == {"workspace": True}


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return match[0].lower().replace("_", "-")


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = {name.lower().replace("_", "-") for name in re.findall(r"`([\w-]+)`", page)}
    project = _project(ROOT)["project"]
    core = {_name(text) for text in project["dependencies"]}
    extras = {_name(text) for group in project["optional-dependencies"].values() for text in group}
    development = {
        _name(line)
        for line in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
        if line[:1].isalpha()
    }
    assert core | extras | development <= listed
    rows = re.findall(
        r"^\| `([\w-]+)` \|", page.partition("## Core")[2].partition("## Extras")[0], flags=re.M
    )
    assert sorted(_name(row) for row in rows) == sorted(core)
    assert set(project["optional-dependencies"]) <= listed
    # `ib` and `ib-async` exclude each other, so that the full count holds one of them.
    core_named, full_named = map(int, re.findall(r"^\| the core .*\| \d+ \| (\d+) \|$", page, flags=re.M))
    assert (core_named, full_named) == (len(core), len(core | extras) - 1)


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda p: p.name)
def test_first_party_distributions_stand_alone(folder: Path) -> None:
    project = _project(folder)["project"]
    assert project["name"] == f"robo_{folder.name}"
    assert project["license"] == "GPL-3.0-or-later"
    assert "robo_trader" in project["entry-points"]
    for part in ("README.md", "LICENSE", f"src/robo_{folder.name}", "tests"):
        assert (folder / part).exists(), f"{folder.name} has no {part}"


def test_the_licence_is_the_whole_gpl() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("GNU GENERAL PUBLIC LICENSE") and "Version 3, 29 June 2007" in text
    assert len(text.splitlines()) > 600


@pytest.mark.skipif(os.name == "nt", reason="there is no bash to ask on Windows")
def test_the_ci_script_is_well_formed() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
