"""Which required packages are missing, too old or too new, or installed but broken.

Versions are compared from the installation's own metadata. Imports are tried in another process,
because a package built for other binaries may end the interpreter instead of raising.
"""

from __future__ import annotations

import json
import operator
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Literal

Row = tuple[str, Literal["ok", "fail"], str, str]

_PIP = f"{sys.executable} -m pip install"
_COMPARE = {"==": operator.eq, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_TRY = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        said = ""
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([name, said]), flush=True)
"""


def check_packages() -> Iterator[Row]:
    """Yield (name, state, detail, fix) for each package in trouble, then one row for the rest."""
    try:
        wanted = required("robo_trader")
    except metadata.PackageNotFoundError:
        yield "packages", "fail", "robo_trader is not installed, only imported", "pip install -e ."
        return
    failures = import_failures(sorted({module for name in wanted for module in modules_of(name)}))
    sound = 0
    for name, clauses in wanted.items():
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            detail = f"not installed; needs {clauses[0] or 'any version'}"
            yield name, "fail", detail, f"{_PIP} '{name}{clauses[0]}'"
            continue
        unmet = [clause for clause in clauses if not satisfies(have, clause)]
        broken = [failures[module] for module in modules_of(name) if module in failures]
        if unmet:
            yield name, "fail", f"{have}; needs {unmet[0]}", f"{_PIP} '{name}{unmet[0]}'"
        elif broken:
            detail = f"{have} is installed but cannot be imported: {broken[0]}"
            yield name, "fail", detail, f"{_PIP} --force-reinstall '{name}{clauses[0]}'"
        else:
            sound += 1
    yield "packages", "ok", f"{sound} of {len(wanted)} required packages at a good version and importable", ""


def required(root: str) -> dict[str, list[str]]:
    """Return {distribution: what each asks of its version} of all that `root` needs, directly first.

    Requirements that hold only for an extra, a platform or a Python version are left out.
    """
    wanted: dict[str, list[str]] = {}
    queue = [root]
    for name in queue:
        try:
            declared = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            if name == root:
                raise
            continue
        for requirement in filter(None, map(_parse, declared)):
            needed, clauses = requirement
            if needed not in wanted:
                queue.append(needed)
            wanted.setdefault(needed, []).append(clauses)
    return wanted


def modules_of(name: str) -> list[str]:
    """Return the public modules that the distribution `name` brings, by the list pip left."""
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return []
    tops = {file.parts[0] for file in files if len(file.parts) > 1 and file.name == "__init__.py"}
    tops |= {file.stem for file in files if len(file.parts) == 1 and file.suffix == ".py"}
    known = {top for top in tops if top.isidentifier() and not top.startswith("_")}
    return sorted(top for top in known if _like(top, name)) or sorted(known)


def import_failures(modules: list[str], *, timeout: float = 120.0) -> dict[str, str]:
    """Return {module: reason} for those that cannot be imported by this interpreter."""
    failures: dict[str, str] = {}
    left = list(modules)
    while left:
        try:
            command = [sys.executable, "-c", _TRY, *left]
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
            output = done.stdout
            ended = f"the interpreter ended with code {done.returncode} while importing it"
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            ended = f"its import took more than {timeout:.0f} s"
        answers = dict(json.loads(line) for line in output.splitlines() if line.startswith("["))
        failures.update({name: " ".join(said.split()) for name, said in answers.items() if said})
        left = left[len(answers) :]
        if left:
            failures[left[0]] = ended
            left = left[1:]
    return failures


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether `version` keeps every clause of `wanted` (``>=2.2,<3.2``), by release numbers."""
    for clause in filter(None, wanted.split(",")):
        match = re.fullmatch(r"\s*(==|>=|<=|>|<|~=|!=)\s*([\w.]+)\s*", clause)
        if match is None or match[1] not in _COMPARE:
            continue
        have, bound = _numbers(version), _numbers(match[2])
        longest = max(len(have), len(bound))
        pad = (0,) * longest
        if not _COMPARE[match[1]]((have + pad)[:longest], (bound + pad)[:longest]):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-z+]", version.lower())[0]))


def _parse(requirement: str) -> tuple[str, str] | None:
    """Split ``pandas<3.2,>=2.2`` into name and clauses; None for one that holds only sometimes."""
    text, _, marker = requirement.partition(";")
    match = re.match(r"\s*([\w.-]+)(?:\[[^\]]*\])?\s*\(?([^)]*)\)?", text)
    if marker or match is None:
        return None
    return re.sub(r"[-_.]+", "-", match[1]).lower(), match[2].replace(" ", "")


def _like(module: str, name: str) -> bool:
    """Tell whether a module is called much as its distribution; others beside it may be extras."""
    return module.lower().replace("_", "") == re.sub(r"[-_.]", "", name).lower()
