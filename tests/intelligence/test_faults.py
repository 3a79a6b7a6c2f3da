"""Every way to fail, through the real SDKs: a typed status in time, and usage kept where a body came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from robo_trader.intelligence.limits import Circuit
from robo_trader.intelligence.questions import complete
from robo_trader.intelligence.reply import Reply, Status
from robo_trader.testing import FAULTS, Call, ModelServer, Response, closed_port

from .conftest import VENDORS, Make, event, timed

DEADLINE = 0.3
#: Seconds after which the servers here would not have ended; `benchmarks/deadline.py` has the figure.
MARGIN = 10.0
#: What would go on for as long as somebody listens.
ENDLESS = {"dripping body", "slow headers"}

#: How each fault must end, and whether the usage that the body reported must be kept.
EXPECTED: dict[str, tuple[Status, bool]] = {
    "429 retry-after 1": (Status.RATE_LIMITED, False),
    "429 retry-after 600": (Status.RATE_LIMITED, False),
    "429 odd retry-after": (Status.RATE_LIMITED, False),
    "429 no credit": (Status.AUTH, False),
    "400": (Status.REJECTED, False),
    "401": (Status.AUTH, False),
    "403": (Status.AUTH, False),
    "404": (Status.REJECTED, False),
    "413": (Status.REJECTED, False),
    "500": (Status.UNAVAILABLE, False),
    "502 html": (Status.UNAVAILABLE, False),
    "503": (Status.OVERLOADED, False),
    "529": (Status.OVERLOADED, False),
    "redirect": (Status.UNAVAILABLE, False),
    "cut mid-body": (Status.UNAVAILABLE, False),
    "cut at once": (Status.UNAVAILABLE, False),
    "dripping body": (Status.TIMEOUT, False),
    "slow headers": (Status.TIMEOUT, False),
    "short of its length": (Status.UNAVAILABLE, False),
    "endless body": (Status.MALFORMED, False),
    "huge body": (Status.MALFORMED, False),
    "no http": (Status.UNAVAILABLE, False),
    "gzip garbage": (Status.MALFORMED, False),
    "html instead of json": (Status.MALFORMED, False),
    "html called json": (Status.MALFORMED, False),
    "truncated json": (Status.MALFORMED, False),
    "empty body": (Status.MALFORMED, False),
    "json null": (Status.MALFORMED, False),
    "json list": (Status.MALFORMED, False),
    "bad utf-8": (Status.MALFORMED, False),
    "deep json": (Status.MALFORMED, False),
    "no content": (Status.MALFORMED, True),
    "wrong content type": (Status.OK, True),
    "missing usage": (Status.OK, False),
    "odd usage": (Status.OK, False),
    "refusal": (Status.REFUSED, True),
    "cut by length": (Status.MALFORMED, True),
    "empty text": (Status.MALFORMED, True),
    "prose": (Status.MALFORMED, True),
    "fenced json": (Status.MALFORMED, True),
    "half the json": (Status.MALFORMED, True),
    "schema violation": (Status.SCHEMA, True),
    "missing key": (Status.SCHEMA, True),
    "extra keys": (Status.SCHEMA, True),
    "nan": (Status.SCHEMA, True),
    "infinity": (Status.SCHEMA, True),
    "score out of bounds": (Status.SCHEMA, True),
    "wrong symbol": (Status.SCHEMA, True),
    "two views of one label": (Status.SCHEMA, True),
}


def scripted(current: list[str]) -> Callable[[Call], Response]:
    """Return a script that does what the fault of the name in `current` does."""

    def script(call: Call) -> Response:
        made = FAULTS[current[0]](call)
        assert isinstance(made, Response)
        return made

    return script


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_fault_ends_in_a_typed_status(vendor: str, make: Make) -> None:
    """Without a deadline worth the name, so that it does not matter how busy the machine is."""
    assert EXPECTED.keys() == FAULTS.keys()
    current = [""]

    async def ask(server: ModelServer) -> dict[str, Reply]:
        analyst = make(server, vendor, deadline=60, mode="live", budget_run=1000, budget_day=1000)
        gateway = analyst.gateway
        gateway.backoff = 0.001
        found = {}
        for name in EXPECTED.keys() - ENDLESS:
            current[0] = name
            # Each fault meets a circuit that has not heard of the others, and no pause is waited for.
            gateway.routes[0].circuit = Circuit()
            gateway.attempts = 1 if "retry-after 1" in name else 3
            request, labels = analyst.request(event(name))
            found[name] = await gateway.ask(complete(request, event(name), labels))
        await analyst.close()
        return found

    with ModelServer(scripted(current)) as server:
        replies = asyncio.run(ask(server))
    ended = {name: (reply.status, reply.usage is not None) for name, reply in replies.items()}
    assert ended == {name: how for name, how in EXPECTED.items() if name not in ENDLESS}
    for name, reply in replies.items():
        assert reply.attempts >= 1, name
        assert (reply.cost == 0) == (not reply.billed or vendor == "local"), name
        assert "sk-test-key" not in reply.detail


@pytest.mark.parametrize("fault", [*sorted(ENDLESS), "529"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_has_no_end_ends_with_the_deadline(vendor: str, fault: str, make: Make) -> None:
    """A server that is slow, and one that is asked again and again."""

    async def ask(server: ModelServer) -> tuple[Reply, float]:
        analyst = make(server, vendor, deadline=DEADLINE, mode="live", attempts=1_000_000)
        analyst.gateway.backoff = 0.001
        analyst.gateway.routes[0].circuit = Circuit(failures=1_000_000)
        await analyst.gateway.routes[0].adapter.open()
        request, labels = analyst.request(event())
        found = await timed(analyst.gateway.ask(complete(request, event(), labels)), DEADLINE)
        await analyst.close()
        return found

    with ModelServer(scripted([fault])) as server:
        reply, late = asyncio.run(ask(server))
    assert late < MARGIN
    assert reply.usage is None and reply.attempts >= 1
    # The deadline may also cut the last of many attempts.
    assert reply.status in (EXPECTED[fault][0], Status.TIMEOUT)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_refused_connection_costs_nothing(vendor: str, make: Make) -> None:
    async def ask(url: str) -> Reply:
        analyst = make(url, vendor, deadline=60, mode="live")
        analyst.gateway.backoff = 0.01
        request, labels = analyst.request(event())
        reply = await analyst.gateway.ask(complete(request, event(), labels))
        await analyst.close()
        return reply

    with closed_port() as url:
        reply = asyncio.run(ask(url))
    assert (reply.status, reply.cost, reply.billed) == (Status.UNAVAILABLE, 0, False)
    assert reply.attempts > 1
