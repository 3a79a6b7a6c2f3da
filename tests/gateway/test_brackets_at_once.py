"""Brackets whose parts fill or are parked while the rest is let go: what is over stays over."""

from __future__ import annotations

from typing import Any


def test_a_brother_that_fills_at_once_ends_one_that_still_waits(demo: Any, connect: Any) -> None:
    client = connect(demo())
    parent = client.order(transmit=0)
    first = client.order(action="SELL", orderType="LMT", lmtPrice=1.0, parentId=parent, transmit=0)
    last = client.order(action="SELL", orderType="LMT", lmtPrice=900.0, parentId=parent)
    client.status(first, "Filled")
    client.status(last, "Cancelled")
    client.sync()
    assert [f for f in client.take(3) if int(f[1]) == last] == []


def test_a_parked_child_is_not_let_go_with_its_brothers(demo: Any, connect: Any, commands: Any) -> None:
    gateway = demo()
    client, control = connect(gateway), commands(gateway)
    parent = client.order(orderType="LMT", lmtPrice=1.0, transmit=0)
    control("reject", code="inactive")
    child = client.order(action="SELL", orderType="STP", auxPrice=0.5, parentId=parent, transmit=0)
    client.status(child, "Inactive")
    client.order(action="SELL", orderType="LMT", lmtPrice=900.0, parentId=parent)
    client.status(parent, "Submitted")
    client.sync()
    assert [f for f in client.take(3) if int(f[1]) == child] == []
