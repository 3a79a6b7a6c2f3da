"""`python -m robo_trader` does what `robo` does."""

from __future__ import annotations

import sys

from robo_trader.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
