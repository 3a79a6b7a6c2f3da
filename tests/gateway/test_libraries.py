"""The real client libraries against the gateway, each in an environment of its own.

`ROBO_IB_PYTHONS` names Python interpreters (separated as PATH is) whose environments hold ib_insync,
ib_async or ibapi; a script of `clients/` runs in each. The libraries exclude each other, so that none is
needed here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

# Read when this module is imported: every test starts without ROBO_ variables.
PYTHONS = [p for p in os.environ.get("ROBO_IB_PYTHONS", "").split(os.pathsep) if p]
CLIENTS = Path(__file__).parent / "clients"
_WHICH = """
from importlib.util import find_spec
print(*(name for name in ("ib_async", "ib_insync", "ibapi") if find_spec(name)))
"""


@pytest.mark.skipif(not PYTHONS, reason="ROBO_IB_PYTHONS names no environment with an IB library")
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("version", [157, 163, 166, 170, 174, 178])
def test_a_whole_session(demo: Any, python: str, version: int) -> None:
    known = subprocess.run([python, "-c", _WHICH], capture_output=True, text=True, check=True).stdout.split()
    if not known:
        pytest.fail(f"{python} has no IB library")
    script = "ibapi_client.py" if known == ["ibapi"] else "ib_client.py"
    gateway = demo(max_version=version)
    done = subprocess.run(
        [python, str(CLIENTS / script), str(gateway.port), "quick"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    assert done.stdout.count("ok ") > 30
