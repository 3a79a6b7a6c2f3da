"""Restraint towards a provider: the circuit and the pace, on a clock that the test moves."""

from __future__ import annotations

import asyncio

from robo_trader.intelligence.limits import Circuit, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_circuit_opens_after_failures_in_a_row_and_lets_one_try() -> None:
    clock = Clock()
    circuit = Circuit(3, 30, clock)
    for trouble in (True, True, False, True, True):
        assert circuit.enter()
        circuit.report(trouble)
    assert circuit.enter()
    circuit.report(True)
    assert not circuit.enter() and circuit.closed_for == 30
    clock.now += 30
    assert circuit.enter() and not circuit.enter()  # one tries, the others wait
    circuit.report(True)
    assert circuit.closed_for == 30
    clock.now += 30
    assert circuit.enter()
    circuit.report(False)
    assert circuit.enter() and circuit.enter()


def test_who_did_not_ask_after_all_changes_nothing() -> None:
    clock = Clock()
    circuit = Circuit(1, 30, clock)
    assert circuit.enter()
    circuit.report(True)
    clock.now += 30
    assert circuit.enter()
    circuit.report(None)
    assert circuit.enter()  # the next may try


def test_a_pause_that_was_asked_for_is_kept() -> None:
    clock = Clock()
    circuit = Circuit(5, 30, clock)
    assert circuit.enter()
    circuit.report(True, 600)
    assert circuit.closed_for == 600


def test_the_pace_lets_a_burst_through_and_then_spaces_calls() -> None:
    clock, slept = Clock(), []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))

    async def work() -> None:
        pace = Pace(60, clock)
        for _ in range(8):
            await pace.wait()

    real, asyncio.sleep = asyncio.sleep, sleep  # type: ignore[assignment]
    try:
        asyncio.run(work())
    finally:
        asyncio.sleep = real
    assert slept == [1.0, 2.0]


def test_no_pace_never_waits() -> None:
    asyncio.run(asyncio.wait_for(Pace().wait(), 60))
