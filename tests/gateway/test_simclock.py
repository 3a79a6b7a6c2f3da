"""The gateway's clock: speeds, and a time that never passes what has not been told."""

from __future__ import annotations

import pytest
from gwclient import pause

from robo_trader.errors import UsageError
from robo_trader.gateway.simclock import SimClock, parse_speed


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("1x", 1),
        ("60x", 60),
        ("1d/s", 86_400),
        ("4h/s", 14_400),
        ("0.5x", 0.5),
        ("30min/s", 1800),
        ("1w/s", 604_800),
    ],
)
def test_speeds(text: str, factor: float) -> None:
    assert parse_speed(text).factor == factor and not parse_speed(text).stands


def test_speeds_that_stand() -> None:
    assert parse_speed("lockstep").lockstep and parse_speed("MAX").fastest


@pytest.mark.parametrize("text", ["", "fast", "x", "-1x", "0x", "1y/s", "1d", "1e3x", "9999999999x"])
def test_speeds_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="unknown speed"):
        parse_speed(text)


def test_time_stops_at_the_ceiling_and_catches_up() -> None:
    clock = SimClock(0, parse_speed("1d/s"))
    clock.ceiling = 10
    pause(0.01)
    assert clock.now() == 10 and clock.wall_seconds_until(10) == 0.0
    clock.ceiling = None
    assert clock.now() > 10


def test_a_clock_that_is_early_is_moved() -> None:
    clock = SimClock(0, parse_speed("0.001x"))
    clock.reach(5_000_000_000)
    assert clock.now() == 5_000_000_000


def test_held_and_standing_clocks_stand() -> None:
    held, standing = SimClock(7, parse_speed("60x")), SimClock(7, parse_speed("lockstep"))
    held.held = True
    pause(0.01)
    assert held.now() == standing.now() == 7
    held.set(7)
    pause(0.01)
    assert held.now() > 7 and standing.wall_seconds_until(100) == 0.0
