"""From the start of `robo halt` to the last cancellation that the gateway has seen, while a session hangs.

    python benchmarks/halt.py --rounds 20 --most 2

Each round starts the simulated gateway and, in a process of its own, a session (`tests/live/stubborn.py`)
that holds a position, leaves orders at the broker and then hangs: with the interpreter's lock in a regular
expression, in a busy loop, or stopped as by Ctrl-Z. The command runs in a third process, so that its own
start counts. It fails where not all orders were cancelled that had to be, where the protective exit was not
left, or, with --most, where one round took more seconds than that.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from robo_trader import __version__, clock
from robo_trader.gateway.build import demo_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.settings import GatewaySettings

SESSION = Path(__file__).resolve().parents[1] / "tests" / "live" / "stubborn.py"
HANGS = {"regex": "with the interpreter's lock", "loop": "in a busy loop", "stop": "stopped by a signal"}


def measure(how: str, folder: Path) -> float:
    """Return the seconds of one round; raise `AssertionError` where it did not end as it must."""
    with EmbeddedGateway(lambda: demo_gateway(GatewaySettings(port=0, control_port=0))) as gateway:
        told = {"port": gateway.port, "client": 7, "folder": str(folder / ".robo"), "then": how}
        session = subprocess.Popen(
            [sys.executable, str(SESSION), json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        with session:
            try:
                assert session.stdout is not None
                refs = json.loads(session.stdout.readline())
                seen = _ends(gateway)
                began = clock.monotonic()
                done = subprocess.run(
                    [sys.executable, "-m", "robo_trader", "halt", "--json"],
                    cwd=folder, capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr
                orders = gateway.control("state")["orders"]
            finally:
                session.kill()
    alive = {order["ref"] for order in orders if order["status"] not in ("Cancelled", "Filled")}
    assert alive == {refs["exit"]}, f"{sorted(alive)} work, and not the protective exit alone"
    return max(seen) - began


def _ends(gateway: EmbeddedGateway) -> list[float]:
    """Return a list that gets the moment of each order's end."""
    desk = gateway.server.gateway.desk
    plain, seen = desk.end, []

    def ends(*given: Any, **named: Any) -> Any:
        seen.append(clock.monotonic())
        return plain(*given, **named)

    desk.end = ends  # type: ignore[method-assign]
    return seen


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="of each way to hang (default: 10)")
    parser.add_argument("--most", type=float, metavar="SECONDS", help="fail where a round took longer")
    given = parser.parse_args()
    print(f"robo_trader {__version__}, Python {platform.python_version()} on {platform.machine()}")
    slowest = 0.0
    for how, words in HANGS.items():
        took = []
        for _ in range(given.rounds):
            with tempfile.TemporaryDirectory() as folder:
                took.append(measure(how, Path(folder)))
        slowest = max(slowest, *took)
        print(
            f"{words:<28} p50 {statistics.median(took):5.2f} s   max {max(took):5.2f} s   {len(took)} rounds"
        )
    if given.most is not None and slowest > given.most:
        sys.exit(f"the slowest took {slowest:.2f} s; the limit is {given.most:g} s")


if __name__ == "__main__":
    main()
