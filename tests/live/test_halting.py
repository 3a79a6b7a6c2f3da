"""What a halt cancels and what stays, and how a session follows the state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader import clock
from robo_trader.live.halts.choosing import Change, HaltFollower, Resting, left_bare, mark_of, to_cancel
from robo_trader.risk.halt import ACTIVE, HALTED, REDUCING, Halt


def order(ref: str, side: Any, remaining: float, type: str = "Limit", **more: Any) -> Resting:
    return Resting(ref=ref, side=side, remaining=remaining, type=type, **{"instrument": "AAPL", **more})


def gone(orders: list[Resting], held: float = 0.0, **more: Any) -> str:
    return " ".join(to_cancel(orders, {"AAPL": held}, **more))


def test_what_opens_or_adds_goes_and_what_closes_stays() -> None:
    orders = [order("more", "BUY", 50), order("stop", "SELL", 100, "Stop")]
    assert gone(orders, 100) == "more"
    assert gone(orders, 0) == "more stop", "without a position both would open one"
    assert gone(orders, -50) == "stop", "for a short position it is the other way round"
    assert gone([order("other", "SELL", 10, instrument="MSFT")], 100) == "other"


def test_exits_stay_until_they_cover_the_position_stops_first() -> None:
    target, stop = order("target", "SELL", 100), order("stop", "SELL", 100, "STP")
    assert gone([target, stop], 100) == "target", "both filled would be short 100"
    assert gone([target, stop], 200) == ""
    assert gone([order("a", "SELL", 60), order("b", "SELL", 60), order("c", "SELL", 40)], 100) == "b"


def test_an_order_that_would_turn_the_position_round_goes() -> None:
    assert gone([order("reverse", "SELL", 150)], 100) == "reverse"
    assert gone([order("exact", "SELL", 100 * (1 + 1e-12))], 100) == "", "floats have a last digit"


def test_a_group_counts_once_and_stays_as_long_as_it_protects_something() -> None:
    pair = [order("target", "SELL", 100, group="g"), order("stop", "SELL", 100, "Stop", group="g")]
    assert gone(pair, 100) == ""
    assert gone(pair, 60) == "", "of the position a part was closed; nobody can halve the pair"
    assert gone(pair, 0) == "target stop"
    lone = order("lone", "SELL", 100, "Stop")
    assert (gone([*pair, lone], 100), gone([lone, *pair], 100)) == ("lone", "target stop")
    assert gone([order("entry", "BUY", 10, group="h"), order("exit", "SELL", 100, group="h")], 100) == "entry"


def bracket(parent_filled: float = 0.0) -> list[Resting]:
    return [
        order("parent", "BUY", 100 - parent_filled, filled=parent_filled),
        order("stop", "SELL", 100, "Stop", parent="parent"),
        order("target", "SELL", 100, parent="parent"),
    ]


def test_of_a_bracket_that_waits_only_the_parent_is_named() -> None:
    # Were the children named and the parent filled first, its fill would have no protection.
    assert gone(bracket()) == "parent"
    lone = order("lone", "SELL", 100, "Stop")
    assert gone([*bracket(), lone], 100) == "parent", "exits that wait protect nothing of what is held"


def test_the_exits_of_a_filled_parent_stay_before_any_others() -> None:
    _, stop, target = bracket()
    assert gone([stop, target], 100) == ""
    assert gone([order("lone", "SELL", 100, "Stop"), stop, target], 100) == "lone"
    assert gone([stop, target], 0) == "stop target", "they protect nothing any more"


def test_a_child_that_would_open_when_an_exit_is_filled_goes() -> None:
    exit = order("exit", "SELL", 100, "Stop")
    again = order("again", "BUY", 100, parent="exit")
    assert gone([exit, again], 100) == "again"
    assert gone([*bracket(), order("twin", "BUY", 5, parent="parent")]) == "parent twin"
    deep = order("deep", "BUY", 100, parent="stop")
    assert gone([*bracket(), deep]) == "parent deep"


def test_cancel_all_takes_everything_parents_first() -> None:
    parent, stop, target = bracket()
    assert gone([stop, parent, target], 100, cancel_all=True) == "parent stop target"


def test_a_parent_filled_in_part_leaves_its_fill_bare() -> None:
    assert left_bare(bracket(), ["parent"]) == []
    found = left_bare(bracket(40), ["parent"])
    assert [(one.ref, one.filled) for one in found] == [("parent", 40)]
    assert left_bare(bracket(40), []) == []


def books() -> st.SearchStrategy[tuple[int, list[Resting]]]:
    """Positions with lone orders, OCO groups and brackets, some of whose parents are filled."""
    sides = st.sampled_from(["BUY", "SELL"])
    one = st.tuples(sides, st.integers(1, 12), st.sampled_from(["Limit", "Stop"]), st.integers(0, 3))
    family = st.tuples(
        st.sampled_from(["lone", "group", "bracket", "filled"]), st.lists(one, min_size=1, max_size=3)
    )

    def build(held: int, families: list[tuple[str, list[Any]]]) -> tuple[int, list[Resting]]:
        orders: list[Resting] = []
        for i, (kind, members) in enumerate(families):
            for j, (side, size, type, _) in enumerate(members):
                more: dict[str, str] = {"group": f"g{i}"} if kind == "group" else {}
                if kind == "filled" or (kind == "bracket" and j):
                    more = {"parent": f"{i}.0" if kind == "bracket" else f"past{i}"}
                orders.append(order(f"{i}.{j}", side, size, type, **more))
        return held, orders

    return st.builds(build, st.integers(-15, 15), st.lists(family, max_size=4))


@given(books(), st.data())
def test_nothing_that_stays_can_enlarge_a_position(
    book: tuple[int, list[Resting]], data: st.DataObject
) -> None:
    """Fill what stays in any order, one of each group: the position only shrinks.

    A group may go past nothing, by design, but never by more than its own size.
    """
    held, orders = book
    refs = set(to_cancel(orders, {"AAPL": held}))
    asleep = {one.ref for one in orders if any(one.parent == other.ref for other in orders)}
    stays = [one for one in orders if one.ref not in refs | asleep]
    done: set[str] = set()
    position, slack = float(held), 0.0
    for one in data.draw(st.permutations(stays)):
        group = one.group or (f"p{one.parent}" if one.parent else one.ref)
        if group in done:
            continue
        done.add(group)
        slack += float(one.remaining) if one.group or one.parent else 0.0
        position += float(one.remaining) * (1 if one.side == "BUY" else -1)
        assert abs(position) <= max(abs(held), slack)
        if not slack:
            assert position * held >= 0, "nothing is turned round"


@given(books())
def test_what_stays_waits_for_nobody_or_for_a_parent_that_goes(book: tuple[int, list[Resting]]) -> None:
    held, orders = book
    refs = set(to_cancel(orders, {"AAPL": held}))
    there = {one.ref: one for one in orders}
    for one in orders:
        if one.ref not in refs and one.parent in there:
            assert one.parent in refs and one.side != there[one.parent].side
    assert set(to_cancel(orders, {"AAPL": held}, cancel_all=True)) == set(there)


# -- following ------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Said:
    """A halt state that a test sets."""

    def __init__(self, **more: Any) -> None:
        self.reads = 0
        self.say(**more)

    def say(self, state: Any = ACTIVE, when: datetime | None = NOON, **more: Any) -> None:
        self.halt = Halt(state, **{"who": "ops@desk", "why": "look", **more}, when=when)

    def read(self) -> Halt:
        self.reads += 1
        return self.halt


def asked(follower: HaltFollower) -> Change:
    change = follower.follow(at_once=True)
    assert change is not None
    return change


def test_each_change_is_told_once_and_answered_with_its_time() -> None:
    said = Said()
    follower = HaltFollower(said)
    assert follower.follow(at_once=True) is None
    said.say(HALTED)
    change = asked(follower)
    assert (change.cancel, change.flatten, follower.halted_at) == ("openings", False, None)
    assert follower.follow(at_once=True) is None and follower.pending is change
    follower.obeyed(change)
    assert follower.halted_at == "2026-11-20T12:00:00Z" == mark_of(said.halt)
    assert follower.pending is None
    said.say(HALTED, NOON + timedelta(seconds=5), flatten=True)
    more = asked(follower)
    assert (more.cancel, more.flatten) == ("everything", True)
    said.say(ACTIVE, NOON + timedelta(seconds=9))
    back = asked(follower)
    assert (back.halt.state, back.cancel, follower.halted_at, follower.pending) == (
        ACTIVE,
        "nothing",
        None,
        None,
    )


def test_a_session_that_starts_halted_is_told() -> None:
    assert asked(HaltFollower(Said(state=HALTED, cancel_all=True))).cancel == "everything"


def test_a_store_that_fails_for_a_moment_does_not_repeat_a_flatten() -> None:
    said = Said(state=HALTED, flatten=True)
    follower = HaltFollower(said)
    follower.obeyed(asked(follower))
    said.say(HALTED, None, who="the file .robo/HALT")
    assert asked(follower).flatten is False
    said.say(HALTED, flatten=True)
    assert follower.follow(at_once=True) is None, "it was told before"
    said.say(ACTIVE)
    asked(follower)
    said.say(HALTED, flatten=True)
    assert asked(follower).flatten, "after a resume everything is new"


def test_only_a_person_s_reducing_cancels() -> None:
    assert asked(HaltFollower(Said(state=REDUCING))).cancel == "openings"
    by_guard = Said(state=REDUCING, who="the guard (drawdown)", rule="drawdown")
    assert asked(HaltFollower(by_guard)).cancel == "nothing"
    unreadable = Said(state=REDUCING, who="the guard", when=None)
    assert asked(HaltFollower(unreadable)).cancel == "nothing"


def test_the_state_is_read_at_most_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 100.1, 100.2, 100.26, 100.3, 100.31))
    monkeypatch.setattr(clock, "monotonic", lambda: next(times))
    said = Said()
    follower = HaltFollower(said)
    for _ in range(5):
        follower.follow()
    assert said.reads == 2
    follower.follow(at_once=True)
    assert said.reads == 3
