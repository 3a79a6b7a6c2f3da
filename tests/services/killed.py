"""A process that writes decisions and fills until it is killed. Run by `test_crashes.py`.

``killed.py URL FOLDER``: for each line ``RUN ORDER`` on stdin a child is forked that goes on with that
run from that order on. What was promised goes to stdout as a line at a time: ``order N`` after
`decide` answered, ``fill N`` after a flush said that execution N is safe. The parent answers ``gone`` once
the child has ended, however it ended.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from robo_trader.journal.live import Answer, open_journal
from robo_trader.records import Decision, Fill, Intent

NOON = datetime(2024, 9, 18, 17, 0, tzinfo=UTC)


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def write(url: str, folder: str, run_id: str, order: int) -> None:
    journal = open_journal(url, folder=folder)
    run = journal.resume(run_id)
    say("begun")
    while True:
        intent = Intent(order_id=order, time=NOON, symbol="SPY", side="BUY", size=2.0, type="Market")
        answer = Answer(rule="position", action="allow", limit=0.1, seen=0.05)
        if run.decide([Decision(intent=intent)], answers=[[answer]]) is None:
            say(f"trouble {run.trouble}")
            return
        say(f"order {order}")
        for part in (1, 2):
            fill = Fill(
                time=NOON, symbol="SPY", side="BUY", size=1.0, price=100.1, commission=0.35, order_id=order
            )
            run.fill(fill, f"{order}.{part}")
        run.order_state(order, "Completed", filled=2.0)
        if order % 3 == 0 and run.flush(30):
            say(f"fill {order}.2")
        order += 1


def main() -> None:
    url, folder = sys.argv[1:]
    for line in sys.stdin:
        run_id, order = line.split()
        child = os.fork()
        if not child:
            try:
                write(url, folder, run_id, int(order))
            finally:
                os._exit(1)
        say(f"pid {child}")
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
