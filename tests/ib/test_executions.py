"""Orders and fills from messages in any order, as often as they like: checked against a plain oracle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.errors import UsageError
from robo_trader.ib.executions import (
    Adopted,
    Charged,
    Conflict,
    Corrected,
    Filled,
    Modified,
    Moved,
    NotModified,
    Orders,
    State,
    Terms,
    Warned,
    split_id,
)
from robo_trader.ib.messages import Commission, Execution, Message, OpenOrder, OrderStatus, Problem

WHEN = datetime(2026, 11, 20, 15, tzinfo=UTC)
D = Decimal


def execution(exec_id: str = "a.01", size: int = 40, price: str = "10", **more: Any) -> Execution:
    fields: dict[str, Any] = dict(
        exec_id=exec_id,
        order_id=1,
        client_id=5,
        perm_id=900,
        ref="r1",
        con_id=7,
        symbol="X",
        account="DU1",
        side="BUY",
        size=D(size),
        price=D(price),
        time=WHEN,
    )
    return Execution(**{**fields, **more})


def status(word: str, filled: int = 0, **more: Any) -> OrderStatus:
    fields: dict[str, Any] = dict(
        order_id=1, client_id=5, perm_id=900, status=word, filled=D(filled), remaining=D(100 - filled)
    )
    return OrderStatus(**{**fields, **more})


def open_order(word: str = "Submitted", **more: Any) -> OpenOrder:
    fields: dict[str, Any] = dict(
        order_id=1,
        client_id=5,
        perm_id=900,
        ref="r1",
        con_id=7,
        account="DU1",
        side="BUY",
        size=D(100),
        type="MKT",
        status=word,
    )
    return OpenOrder(**{**fields, **more})


def charge(exec_id: str, amount: str = "1") -> Commission:
    return Commission(exec_id=exec_id, amount=D(amount), currency="USD")


def problem(code: int, text: str = "no", id: int = 1) -> Problem:
    return Problem(id=id, code=code, text=text)


def announced(size: int = 100) -> Orders:
    orders = Orders()
    orders.announce("r1", client_id=5, order_id=1, side="BUY", size=D(size))
    return orders


def state(orders: Orders, ref: str = "r1") -> State:
    order = orders.get(ref)
    assert order is not None
    return order.state


# --- properties


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Message], list[int], int]:
    """What truly happened to one order of 100 (messages in order), and sizes and total of it."""
    sizes = draw(st.lists(st.integers(1, 30), max_size=4).filter(lambda s: sum(s) <= 100))
    if draw(st.booleans()) and sum(sizes) < 100:
        sizes.append(100 - sum(sizes))
    story: list[Message] = [open_order("PreSubmitted"), status("PreSubmitted"), status("Submitted")]
    done = 0
    final: dict[int, tuple[int, str]] = {}
    for i, size in enumerate(sizes):
        done += size
        story += [status("Submitted", done), execution(f"e{i}.01", size), charge(f"e{i}.01")]
        final[i] = (size, "1")
        for correction in range(draw(st.integers(0, 2))):
            number = correction + 2
            story += [
                execution(f"e{i}.{number:02}", size, str(10 + number)),
                charge(f"e{i}.{number:02}", str(number)),
            ]
            final[i] = (size, str(number))
    if sum(sizes) < 100 and draw(st.booleans()):
        story += [status("Cancelled", done), problem(202)]
    return story, sizes, sum(int(cost) for _, cost in final.values())


@given(stories(), st.data())
def test_order_and_repetition_of_messages_do_not_matter(
    story: tuple[list[Message], list[int], int], data: st.DataObject
) -> None:
    messages, sizes, cost = story
    again = data.draw(st.lists(st.sampled_from(messages), max_size=8))
    missing = [m for m in messages if not isinstance(m, OrderStatus) or m.status == "Cancelled"]
    told = data.draw(st.permutations([*(data.draw(st.sampled_from([messages, missing]))), *again]))
    orders = announced()
    changes = [change for message in told for change in orders.apply(message)]

    order = orders.get("r1")
    assert order is not None
    total = sum(sizes)
    assert order.executed == orders.position("DU1", 7) == total
    charged = [orders.commission(fill) for fill in order.fills.values()]
    assert sum(c.amount for c in charged if c is not None) == cost
    cancelled = any(isinstance(m, OrderStatus) and m.status == "Cancelled" for m in messages)
    expected = State.FILLED if total == 100 else State.CANCELLED if cancelled else State.WORKING
    assert order.state == expected
    # What was told of fills, added up, is what is known; nothing was told twice.
    filled = [c.execution for c in changes if isinstance(c, Filled)]
    assert len(filled) == len(sizes) == len({split_id(f.exec_id)[0] for f in filled})
    book = {split_id(f.exec_id)[0]: f for f in filled}
    for change in changes:
        if isinstance(change, Corrected):
            assert book[split_id(change.new.exec_id)[0]] == change.old
            book[split_id(change.new.exec_id)[0]] = change.new
    assert book == order.fills
    assert not any(isinstance(c, Adopted | Conflict) for c in changes)


@given(st.lists(st.sampled_from(["PreSubmitted", "Submitted", "PendingCancel", "Inactive"])), st.booleans())
def test_no_status_revives_an_order_that_is_over(words: list[str], filled: bool) -> None:
    orders = announced()
    orders.apply(execution(size=100) if filled else status("Cancelled"))
    for word in words:
        assert orders.apply(status(word)) == ()
    assert state(orders) == (State.FILLED if filled else State.CANCELLED)


# --- single cases


def test_a_status_alone_fills_nothing_but_says_what_is_missing() -> None:
    orders = announced()
    orders.apply(status("Filled", 100))
    order = orders.get("r1")
    assert order is not None
    assert (order.state, order.executed, order.missing) == (State.CREATED, 0, 100)
    orders.apply(execution(size=100))
    assert (order.state, order.missing) == (State.FILLED, 0)


def test_a_fill_after_the_cancellation_counts() -> None:
    orders = announced()
    orders.apply(status("Cancelled"))
    changes = orders.apply(execution(size=100))
    assert [type(c) for c in changes] == [Filled, Moved]
    assert state(orders) == State.FILLED


def test_a_commission_before_its_execution_is_kept_and_a_correction_keeps_the_old_one() -> None:
    orders = announced()
    assert orders.apply(charge("a.01")) == ()
    changes = orders.apply(execution("a.01"))
    assert [type(c) for c in changes] == [Filled, Charged, Moved]
    new = execution("a.02", price="11")
    assert orders.apply(new) == (Corrected("r1", execution("a.01"), new),)
    kept = orders.commission(new)
    assert kept is not None and kept.exec_id == "a.01"
    assert orders.apply(charge("a.02", "2")) == (Charged("r1", charge("a.02", "2")),)
    assert orders.apply(charge("a.02", "2")) == ()


def test_an_old_correction_changes_nothing_and_a_contradiction_is_told() -> None:
    orders = announced()
    orders.apply(execution("a.02"))
    assert orders.apply(execution("a.01", price="9")) == ()
    (conflict,) = orders.apply(execution("a.02", price="12"))
    assert isinstance(conflict, Conflict) and "a.02" in conflict.text
    order = orders.get("r1")
    assert order is not None and order.fills["a"].price == 10


@pytest.mark.parametrize("code", [110, 201, 321])
def test_an_error_alone_rejects_a_new_order(code: int) -> None:
    orders = announced()
    (moved,) = orders.apply(problem(code, "bad price"))
    assert moved == Moved("r1", State.CREATED, State.REJECTED, f"error {code}: bad price")


@pytest.mark.parametrize("code", [110, 201, 321, 399, 404, 10148, 2109])
def test_an_error_about_a_working_order_is_a_warning(code: int) -> None:
    orders = announced()
    orders.apply(open_order())
    assert orders.apply(problem(code)) == (Warned("r1", code, "no"),)
    assert state(orders) == State.WORKING


@pytest.mark.parametrize("code", [399, 404])
def test_a_held_order_is_not_rejected(code: int) -> None:
    orders = announced()
    assert orders.apply(problem(code)) == (Warned("r1", code, "no"),)
    orders.apply(status("PreSubmitted"))
    assert state(orders) == State.WORKING


def test_inactive_may_come_back_or_be_refused() -> None:
    orders = announced()
    orders.apply(open_order("Inactive"))
    assert state(orders) == State.INACTIVE and not state(orders).over
    orders.apply(status("Submitted"))
    assert state(orders) == State.WORKING
    orders.apply(status("Inactive"))
    (moved,) = orders.apply(problem(201, "margin"))
    assert moved == Moved("r1", State.INACTIVE, State.REJECTED, "error 201: margin")


def test_a_rejection_that_cancels_a_working_order() -> None:
    orders = announced()
    orders.apply(open_order("PreSubmitted"))
    orders.apply(problem(201, "margin"))
    orders.apply(status("Cancelled"))
    assert state(orders) == State.REJECTED


def test_orders_of_others_are_adopted_once_with_what_was_said_before() -> None:
    orders = Orders()
    assert orders.apply(status("Submitted", 10)) == ()
    first, *_ = orders.apply(open_order())
    assert first == Adopted("r1", 1, 5, 900)
    order = orders.get("r1")
    assert order is not None and not order.ours and order.missing == 10
    assert orders.apply(open_order()) == ()
    # Manual orders have no reference, no client and no number.
    (adopted, *_) = orders.apply(execution("m.01", ref="", order_id=0, client_id=0, perm_id=901))
    assert isinstance(adopted, Adopted) and adopted.ref == "broker/901"


def test_a_second_order_with_our_reference_is_not_ours() -> None:
    orders = announced()
    orders.apply(open_order())
    (adopted, _) = orders.apply(open_order(perm_id=901, order_id=2))
    assert adopted == Adopted("r1/901", 2, 5, 901)
    orders.apply(execution(perm_id=901, order_id=2))
    order = orders.get("r1")
    assert order is not None and order.executed == 0


def test_a_number_that_is_given_again_means_the_new_order() -> None:
    orders = announced()
    orders.apply(execution(size=100))
    orders.announce("r2", client_id=5, order_id=1, side="SELL", size=D(5))
    orders.apply(problem(201))
    assert (state(orders), state(orders, "r2")) == (State.FILLED, State.REJECTED)
    orders.apply(execution("a.02", size=100, price="11"))
    order = orders.get("r1")
    assert order is not None and order.fills["a"].price == 11


def test_a_smaller_size_may_complete_an_order() -> None:
    orders = announced()
    orders.apply(execution(size=40))
    orders.change("r1", 1, Terms(D(40), D(10)))
    assert orders.apply(open_order(size=D(40), limit=D(10))) == (
        Modified("r1", 1),
        Moved("r1", State.WORKING, State.FILLED),
    )


def asked(*sizes: int) -> Orders:
    """A working order of 100 at 9, and changes of it on their way: to so many at 10."""
    orders = announced()
    orders.apply(open_order(limit=D(9)))
    for number, size in enumerate(sizes, 1):
        orders.change("r1", number, Terms(D(size), D(10)))
    return orders


def test_a_change_holds_once_the_broker_tells_of_it() -> None:
    orders = asked(120, 140)
    assert orders.apply(open_order(limit=D(9))) == (), "that is what it was"
    assert orders.apply(open_order(size=D(140), limit=D(10))) == (Modified("r1", 2),)
    orders.apply(execution(size=100))
    assert state(orders) is State.WORKING
    orders.apply(execution("b.01", size=40))
    assert state(orders) is State.FILLED


def test_a_refusal_is_the_oldest_changes() -> None:
    orders = asked(120, 140)
    assert orders.apply(problem(110)) == (NotModified("r1", 1, "error 110: no"),)
    assert orders.apply(problem(399)) == (Warned("r1", 399, "no"),)
    assert orders.apply(open_order(size=D(140), limit=D(10))) == (Modified("r1", 2),)
    assert orders.apply(problem(201)) == (Warned("r1", 201, "no"),), "nothing is on its way"


def test_whether_a_larger_order_is_filled_its_answer_tells() -> None:
    orders = asked(120)
    (filled,) = orders.apply(execution(size=100))
    assert isinstance(filled, Filled) and state(orders) is State.WORKING
    late = NotModified("r1", 1, "error 104: no")
    assert orders.apply(problem(104)) == (late, Moved("r1", State.WORKING, State.FILLED))


@pytest.mark.parametrize("word", ["Filled", "Cancelled"])
def test_an_order_that_is_over_takes_no_change(word: str) -> None:
    orders = asked(120)
    if word == "Filled":
        orders.apply(execution(size=100))
    changes = orders.apply(status(word, 100 if word == "Filled" else 0))
    assert NotModified("r1", 1, "the order was over before it came") in changes
    assert orders.get("r1").asked == {} and state(orders).over  # type: ignore[union-attr]


@given(told=st.permutations(range(3)))
def test_a_smaller_order_is_filled_in_whatever_order_that_is_told(told: list[int]) -> None:
    orders = asked(60)
    answer = open_order("Filled", size=D(60), limit=D(10))
    messages = [execution(size=60), status("Filled", 60), answer]
    changes = [change for i in told for change in orders.apply(messages[i])]
    assert state(orders) is State.FILLED and Modified("r1", 1) in changes
    assert not any(isinstance(c, NotModified) for c in changes)


@given(told=st.permutations(range(3)), taken=st.booleans())
def test_fills_and_the_answer_may_come_in_any_order(told: list[int], taken: bool) -> None:
    orders = asked(120)
    answer = open_order(size=D(120), limit=D(10)) if taken else problem(104)
    messages = [execution(size=70), execution("b.01", size=50 if taken else 30), answer]
    changes = [change for i in told for change in orders.apply(messages[i])]
    assert state(orders) is State.FILLED
    order = orders.get("r1")
    assert order is not None and order.size == (120 if taken else 100) and not order.asked
    assert [type(c) for c in changes if isinstance(c, Modified | NotModified)] == [
        Modified if taken else NotModified
    ]


def test_changes_that_the_broker_knows_nothing_of_are_given_up() -> None:
    orders = asked(120, 140)
    assert orders.unchanged("r1", "lost") == (NotModified("r1", 1, "lost"), NotModified("r1", 2, "lost"))
    orders.apply(execution(size=100))
    assert state(orders) is State.FILLED


def test_other_messages_change_nothing() -> None:
    orders = announced()
    assert orders.apply(problem(200, id=77)) == ()
    assert orders.apply(replace(problem(201), request=True)) == ()
    assert orders.apply(problem(1100, id=-1)) == ()
    with pytest.raises(UsageError, match="'r1' is empty or taken"):
        orders.announce("r1", client_id=5, order_id=2, side="BUY", size=D(1))


def test_positions_are_signed_and_per_account() -> None:
    orders = Orders()
    orders.apply(execution("a.01", size=40))
    orders.apply(execution("b.01", size=15, side="SELL", ref="r2", perm_id=901, order_id=2))
    orders.apply(execution("c.01", size=9, account="DU2", ref="r3", perm_id=902, order_id=3))
    assert (orders.position("DU1", 7), orders.position("DU2", 7)) == (25, 9)
    assert [order.ref for order in orders] == ["r1", "r2", "r3"]


def test_what_is_owed_is_an_execution_that_a_status_told_of_or_a_commission() -> None:
    orders = Orders()
    orders.announce("r1", client_id=5, order_id=1, side="BUY", size=D(100))
    assert orders.owed() == []
    orders.apply(status("Submitted", 40))
    assert orders.owed() == ["r1"]
    orders.apply(execution("a.01"))
    assert orders.owed() == ["r1"], "its commission is still to come"
    orders.apply(Commission(exec_id="a.01", amount=D(1), currency="USD"))
    assert orders.owed() == []
    orders.apply(execution("a.02", price="11"))
    assert orders.owed() == [], "a correction keeps what the old one cost until its own is told"
    orders.apply(execution("b.01", size=60))
    assert orders.owed() == ["r1"]
