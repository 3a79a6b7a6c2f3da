"""Lean folders made of a few lines, and the shared data where ROBO_TEST_DATA names it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Zipped = Callable[[str, str, str], Path]

DAILY = """\
20130603 00:00,1000000,1010000,990000,1005000,1000
20130604 00:00,1006000,1020000,1000000,1010000,1100
20130605 00:00,505000,512500,500000,510000,2400
20130606 00:00,500000,510000,498000,505000,2200
"""
#: Two for one after the close of 2013-06-04, a dividend of 1 % after that of 2013-06-05.
FACTORS = """\
20130603,0.99,0.5,1
20130604,0.99,0.5,101
20130605,0.99,1,51
20501231,1,1,0
"""
HOURS = """\
20130603 09:00,1000000,1004000,996000,1002000,300
20130603 10:00,1002000,1010000,1000000,1008000,200
20130603 15:00,1008000,1009000,990000,1005000,500
20130604 09:00,1006000,1012000,1002000,1010000,400
"""
MINUTES = """\
14400000,1001000,1001000,1001000,1001000,10
34200000,1000000,1002000,999000,1001000,100
34260000,1001000,1003000,1001000,1002000,90
57540000,1004000,1006000,1003000,1005000,80
57600000,1005000,1005500,1005000,1005500,5
"""


@pytest.fixture
def zipped(tmp_path: Path) -> Zipped:
    """Return a function that puts a text into a zip file below the Lean root."""

    def put(place: str, member: str, text: str) -> Path:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, text)
        return path

    return put


@pytest.fixture
def lean_root(tmp_path: Path, zipped: Zipped) -> Path:
    """A Lean data folder with all resolutions of one symbol, XYZ."""
    usa = "equity/usa"
    zipped(f"{usa}/daily/xyz.zip", "xyz.csv", DAILY)
    zipped(f"{usa}/hour/xyz.zip", "xyz.csv", HOURS)
    zipped(f"{usa}/minute/xyz/20130603_trade.zip", "20130603_xyz_minute_trade.csv", MINUTES)
    zipped(f"{usa}/minute/xyz/20130604_trade.zip", "20130604_xyz_minute_trade.csv", MINUTES)
    zipped(f"{usa}/minute/xyz/20130604_quote.zip", "20130604_xyz_minute_quote.csv", "not read")
    factors = tmp_path / usa / "factor_files" / "xyz.csv"
    factors.parent.mkdir()
    factors.write_text(FACTORS)
    return tmp_path


@pytest.fixture(scope="session")
def lean_data() -> list[Path]:
    """The shared folders of real Lean files; the test skips without ROBO_TEST_DATA."""
    value = os.environ.get("ROBO_TEST_DATA")
    if not value:
        pytest.skip("ROBO_TEST_DATA is not set: this test reads the shared data folder")
    return [Path(value) / "open" / name / "lean" for name in ("bars_daily", "bars_intraday")]
