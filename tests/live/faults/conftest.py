"""Lets the tests of faults import what lies beside them; `--import-mode=importlib` does not find it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
