"""Money: the caps hold whatever happens, and what can be afforded is done."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader import clock
from robo_trader.errors import StateError
from robo_trader.intelligence.budget import Budget, BudgetSpent, Reservation
from robo_trader.intelligence.ledger import Ledger
from robo_trader.intelligence.reply import Usage
from robo_trader.state import open_state

CENT = Decimal("0.01")


@pytest.fixture(autouse=True)
def one_day() -> Iterator[None]:
    """No test meets a midnight that it did not make itself."""
    with clock.fixed(datetime(2026, 11, 20, 12, tzinfo=UTC)):
        yield


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 300))


async def spend(budget: Budget, worst: Decimal, cost: Decimal, turns: int = 1) -> bool:
    """Make one call that ends after some turns of the loop; tell whether it could be afforded."""
    try:
        reservation = await budget.reserve(worst)
    except BudgetSpent:
        return False
    paid = worst
    try:
        for _ in range(turns):
            await asyncio.sleep(0)
        paid = cost
    finally:
        await budget.settle(reservation, "m", Usage(1, 1), paid)
    return True


def test_a_call_waits_for_open_ones_and_is_refused_when_nothing_is_open() -> None:
    async def work() -> None:
        budget = Budget(CENT * 3)
        first = await budget.reserve(CENT * 2)
        waiting = asyncio.ensure_future(budget.reserve(CENT * 2))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        await budget.settle(first, "m", None, CENT)
        second = await waiting
        await budget.settle(second, "m", None, CENT * 2)
        with pytest.raises(BudgetSpent, match=r"\$0\.0300 of this run's \$0\.03 are spent"):
            await budget.reserve(CENT)

    run(work())


def test_what_can_never_fit_is_refused_at_once() -> None:
    async def work() -> None:
        budget = Budget(CENT)
        await budget.reserve(CENT)
        with pytest.raises(BudgetSpent):
            await budget.reserve(CENT * 2)

    run(work())


def test_affordable_calls_are_all_made() -> None:
    """200 calls whose worst case is ten times their cost fit into a budget for 200 costs and one worst."""

    async def work() -> int:
        budget = Budget(CENT * 200 + CENT * 10)
        return sum(await asyncio.gather(*(spend(budget, CENT * 10, CENT) for _ in range(200))))

    assert run(work()) == 200


_CALLS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 100), st.integers(0, 3)), min_size=1, max_size=30
)


@given(calls=_CALLS, cap=st.integers(0, 200), day=st.none() | st.integers(0, 200))
def test_the_caps_are_never_exceeded(
    calls: list[tuple[int, int, int]], cap: int, day: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever calls cost, up to their worst case, in whatever order they end."""

    async def work() -> None:
        ledger = None
        if day is not None:
            ledger = Ledger(open_state(f"file:{tmp_path_factory.mktemp('day')}"), CENT * day)
        budget = Budget(CENT * cap, ledger)
        made = await asyncio.gather(
            *(spend(budget, CENT * w, CENT * w * share / 100, turns) for w, share, turns in calls)
        )
        least = min(cap, cap if day is None else day)
        assert budget.settled <= CENT * least
        assert budget.reserved == 0
        # Nothing is refused as long as all worst cases fit.
        if sum(worst for worst, _, _ in calls) <= least:
            assert all(made)

    with clock.fixed(datetime(2026, 11, 20, tzinfo=UTC)):
        run(work())


def test_a_long_run_with_concurrency_stays_below_the_cap() -> None:
    """The figure to show: 2,000 calls, 32 at once, random costs, failures and cancellations."""
    draw = random.Random(7)
    cap = Decimal(1)
    highest = Decimal(0)

    async def work() -> Budget:
        budget = Budget(cap)
        slots = asyncio.Semaphore(32)

        async def call() -> None:
            nonlocal highest
            async with slots:
                worst = CENT * draw.randint(1, 20) / 10
                task = asyncio.ensure_future(spend(budget, worst, worst * draw.randint(0, 100) / 100, 3))
                if draw.random() < 0.1:
                    await asyncio.sleep(0)
                    task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                highest = max(highest, budget.settled)
                assert budget.settled + budget.reserved <= cap

        await asyncio.gather(*(call() for _ in range(2_000)))
        return budget

    budget = run(work())
    assert Decimal("0.9") < highest <= cap
    assert budget.settled <= cap


# -- the day ---------------------------------------------------------------------------------------


def test_the_days_spending_survives_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        budget = Budget(None, Ledger(open_state(f"file:{tmp_path}"), CENT * 5))
        assert await spend(budget, CENT * 3, CENT * 3)
        await budget.close()

    async def second() -> None:
        budget = Budget(None, Ledger(open_state(f"file:{tmp_path}"), CENT * 5))
        assert await spend(budget, CENT * 2, CENT * 1)
        with pytest.raises(BudgetSpent, match=r"more than is left of \$0.05 a day"):
            await budget.reserve(CENT * 2)

        await budget.close()

    with clock.fixed(datetime(2026, 11, 20, tzinfo=UTC)):
        run(first())
        run(second())
    (day,) = Ledger(open_state(f"file:{tmp_path}")).days()
    assert (day.date, day.settled, day.reserved) == ("2026-11-20", CENT * 4, 0)
    assert [(row.model, row.calls, row.cost) for row in day.models] == [("m", 2, CENT * 4)]


def test_a_crash_leaves_the_worst_case(tmp_path: Path) -> None:
    ledger = Ledger(open_state(f"file:{tmp_path}"), CENT * 5)
    assert ledger.reserve(CENT * 4) is not None
    assert Ledger(open_state(f"file:{tmp_path}"), CENT * 5).reserve(CENT * 2) is None
    assert ledger.days()[0].reserved == CENT * 4


def test_a_new_day_begins_with_nothing_spent(tmp_path: Path) -> None:
    ledger = Ledger(open_state(f"file:{tmp_path}"), CENT)
    with clock.fixed(datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)):
        name = ledger.reserve(CENT)
        assert name is not None and ledger.reserve(CENT) is None
    with clock.fixed(datetime(2026, 11, 21, tzinfo=UTC)):
        assert Ledger(ledger.state, CENT).reserve(CENT) is not None
        # A call is paid for on the day on which it began.
        ledger.settle(name, CENT, "m", None, CENT)
        ledger.flush()
    assert [(day.date, day.settled) for day in ledger.days()] == [("2026-11-20", CENT), ("2026-11-21", 0)]


def test_a_process_goes_to_the_store_seldom(tmp_path: Path) -> None:
    state = open_state(f"file:{tmp_path}")
    writes: list[str] = []
    real = state.put
    state.put = lambda key, *args, **more: writes.append(key) or real(key, *args, **more)  # type: ignore

    async def work() -> None:
        budget = Budget(None, Ledger(state, CENT * 100))
        assert all([await spend(budget, CENT / 10, CENT / 100) for _ in range(300)])
        await budget.close()

    run(work())
    assert len(writes) <= 6
    (day,) = Ledger(state).days()
    assert (day.settled, day.reserved, day.models[0].calls) == (CENT * 3, 0, 300)


def test_two_budgets_share_one_day(tmp_path: Path) -> None:
    async def work() -> None:
        one, other = (Budget(None, Ledger(open_state(f"file:{tmp_path}"), CENT * 30)) for _ in range(2))
        calls = [spend(budget, CENT * 2, CENT, 2) for budget in (one, other) for _ in range(20)]
        await asyncio.gather(*calls)
        await one.close()
        await other.close()
        assert one.settled + other.settled <= CENT * 30
        (day,) = one.ledger.days() if one.ledger else ()
        assert day.settled == one.settled + other.settled and day.reserved == 0

    run(work())


def test_a_store_that_fails_gives_the_money_back(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    async def work() -> None:
        budget = Budget(CENT, Ledger(open_state(f"file:{tmp_path}"), CENT))
        with pytest.raises(StateError):
            await budget.reserve(CENT)
        assert budget.reserved == 0

    run(work())


def test_a_cancelled_wait_holds_nothing() -> None:
    async def work() -> None:
        budget = Budget(CENT)
        open_call = await budget.reserve(CENT)
        waiting = asyncio.ensure_future(budget.reserve(CENT))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await budget.settle(open_call, "m", None, Decimal(0))
        assert isinstance(await budget.reserve(CENT), Reservation)

    run(work())


@given(
    calls=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3), st.booleans()), min_size=2, max_size=16),
    run_cap=st.integers(10, 60),
    day_cap=st.integers(10, 60),
)
def test_nobody_waits_for_ever(
    calls: list[tuple[int, int, bool]],
    run_cap: int,
    day_cap: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Cancelled or not, with both caps: every call ends, and nothing stays reserved."""

    async def work() -> None:
        ledger = Ledger(open_state(f"file:{tmp_path_factory.mktemp('day')}"), CENT * day_cap)
        budget = Budget(CENT * run_cap, ledger)
        tasks = [asyncio.ensure_future(spend(budget, CENT * w, CENT * w, turns)) for w, turns, _ in calls]
        for task, (_, turns, cancelled) in zip(tasks, calls, strict=True):
            for _ in range(turns):
                await asyncio.sleep(0)
            if cancelled:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert budget.reserved == 0 and budget._open == 0
        assert budget.settled <= CENT * min(run_cap, day_cap)

    run(work())


def test_who_leaves_while_the_day_is_asked_holds_nothing(tmp_path: Path) -> None:
    """The thread that asks the store goes on; what it reserves nobody will settle."""
    state = open_state(f"file:{tmp_path}")
    asked, answered = threading.Event(), threading.Event()
    real = state.update

    def slow(*args: Any) -> Any:
        asked.set()
        assert answered.wait(60)
        return real(*args)

    state.update = slow  # type: ignore[method-assign]

    async def work() -> None:
        for late in (True, False):
            budget = Budget(CENT * 6, Ledger(state, CENT * 6))
            asked.clear()
            answered.clear()
            waiting = asyncio.ensure_future(budget.reserve(CENT * 5))
            assert await asyncio.to_thread(asked.wait, 60)
            if late:
                answered.set()
                # The answer may be there already when the asker is told to go.
                await asyncio.to_thread(lambda: None)
            waiting.cancel()
            answered.set()
            await asyncio.gather(waiting, return_exceptions=True)
            if not waiting.cancelled() and isinstance(waiting.result(), Reservation):
                await budget.settle(waiting.result(), "m", None, Decimal(0))
            assert budget.reserved == 0
            # Who asks next gets what the other did not want, though its thread may still be at it.
            await budget.settle(await budget.reserve(CENT * 5), "m", None, CENT)
            await budget.close()

    run(work())
    (day,) = Ledger(state).days()
    assert (day.settled, day.reserved) == (CENT * 2, 0)


def test_money_that_nobody_wants_any_more_is_there_for_the_next(tmp_path: Path) -> None:
    """However late the thread of the one who left comes back from the store."""
    asked, go, back, end = (threading.Event() for _ in range(4))

    class Late(Ledger):
        def reserve(self, *args: Any) -> str | None:
            if asked.is_set():
                return super().reserve(*args)
            asked.set()
            assert go.wait(60)
            day = super().reserve(*args)
            back.set()
            assert end.wait(60)
            return day

    async def work() -> None:
        budget = Budget(CENT, Late(open_state(f"file:{tmp_path}"), CENT))
        waiting = asyncio.ensure_future(budget.reserve(CENT))
        assert await asyncio.to_thread(asked.wait, 60)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        go.set()
        assert await asyncio.to_thread(back.wait, 60)
        try:
            assert isinstance(await budget.reserve(CENT), Reservation)
        finally:
            end.set()

    run(work())


@pytest.mark.parametrize(
    "stored",
    [
        [1], "x", {"settled": "abc"}, {"settled": None}, {"settled": "-5"}, {"settled": "Infinity"},
        {"open": {"a": "NaN"}}, {"open": [1]}, {"models": {"m": 5}}, {"models": {"m": {"calls": 1}}},
    ],
)  # fmt: skip
def test_an_account_that_cannot_be_read_stops_the_spending(stored: Any, tmp_path: Path) -> None:
    state = open_state(f"file:{tmp_path}")
    ledger = Ledger(state, CENT)
    state.put(f"models/spend/{clock.now().date()}", stored)
    with pytest.raises(StateError, match="the account of .* is damaged") as caught:
        ledger.reserve(CENT)
    assert "move it out" in caught.value.hint
    with pytest.raises(StateError):
        ledger.days()


def test_what_a_forgotten_ledger_holds_is_written_down_at_the_end(tmp_path: Path) -> None:
    """Who spends need not live as long as the process, as in `robo ask`."""
    code = (
        "import gc, sys; from decimal import Decimal; from robo_trader.intelligence.ledger import Ledger; "
        "from robo_trader.state import open_state; "
        "ledger = Ledger(open_state(sys.argv[1]), Decimal(5)); day = ledger.reserve(Decimal('0.02')); "
        "ledger.settle(day, Decimal('0.02'), 'm', None, Decimal('0.01')); del ledger; gc.collect()"
    )
    subprocess.run([sys.executable, "-c", code, f"file:{tmp_path}"], check=True)
    (day,) = Ledger(open_state(f"file:{tmp_path}")).days()
    assert (day.settled, day.reserved) == (CENT, 0)
