"""The gateway: retries, deadline, circuit, fallback, budget and modes, through the real SDKs."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from robo_trader.clock import monotonic
from robo_trader.errors import ModelError
from robo_trader.intelligence.llm import LLMAnalyst
from robo_trader.intelligence.models import load_models, priced
from robo_trader.intelligence.prompts import FOLDER
from robo_trader.intelligence.questions import complete
from robo_trader.intelligence.replies import ReplyMissing, ReplyStore
from robo_trader.intelligence.reply import Reply, Status, Usage
from robo_trader.records import Abstain
from robo_trader.testing import FAULTS, Call, ModelServer, answer, failure

from .conftest import VENDORS, Make, event, read, says, view

GOOD = says(view())


def ask(analyst: LLMAnalyst, *titles: str) -> list[Reply]:
    """Ask about events with these titles at once."""

    async def everything() -> list[Reply]:
        try:
            return await asyncio.gather(*map(one, titles or ("Title",)))
        finally:
            await analyst.close()

    async def one(title: str) -> Reply:
        request, labels = analyst.request(event(title))
        return await analyst.gateway.ask(complete(request, event(title), labels))

    analyst.gateway.backoff = 0.001
    return asyncio.run(everything())


@pytest.mark.parametrize("fault", ["500", "529", "429 odd retry-after", "cut mid-body", "html called json"])
def test_what_may_pass_is_tried_again(make: Make, fault: str) -> None:
    with ModelServer([FAULTS[fault], GOOD]) as server:
        (reply,) = ask(make(server))
    assert (reply.status, reply.attempts) == (Status.OK, 2)


@pytest.mark.parametrize("fault", ["400", "401", "404", "refusal", "nan", "wrong symbol"])
def test_what_will_not_pass_is_asked_once(make: Make, fault: str) -> None:
    with ModelServer([FAULTS[fault], GOOD]) as server:
        (reply,) = ask(make(server))
    assert (reply.ok, reply.attempts, len(server.calls)) == (False, 1, 1)


def test_attempts_have_an_end(make: Make) -> None:
    with ModelServer([FAULTS["500"]]) as server:
        assert ask(make(server, attempts=3))[0].attempts == 3
    with ModelServer([FAULTS["html called json"]]) as server:
        # Each of these may be charged for.
        assert ask(make(server, attempts=9))[0].attempts == 2


def test_a_pause_within_the_deadline_is_kept(make: Make) -> None:
    def script(call: Call) -> Any:
        return failure(call, 429, "rate_limit_error", retry_after="0.2") if call.number == 0 else GOOD

    with ModelServer(script) as server:
        began = monotonic()
        (reply,) = ask(make(server))
    assert reply.ok and monotonic() - began > 0.2


def test_a_pause_beyond_the_deadline_ends_the_question_and_spares_the_provider(make: Make) -> None:
    with ModelServer([FAULTS["429 retry-after 600"]]) as server:
        analyst = make(server, deadline=60)
        first = ask(analyst, "a")[0]
        second = ask(analyst, "b")[0]
    assert (first.status, first.attempts, len(server.calls)) == (Status.RATE_LIMITED, 1, 1)
    assert second.status is Status.UNAVAILABLE and "again in" in second.detail and second.cost == 0


def test_the_circuit_opens_and_nobody_is_asked(make: Make) -> None:
    with ModelServer([FAULTS["500"]]) as server:
        analyst = make(server, attempts=1)
        replies = [ask(analyst, str(i))[0] for i in range(7)]
    assert len(server.calls) == 5
    assert {reply.status for reply in replies} == {Status.UNAVAILABLE}


def test_waiting_for_our_own_pace_does_not_open_the_circuit(make: Make) -> None:
    with ModelServer([GOOD]) as server:
        analyst = make(server, per_minute=1, patience=0.2, deadline=0.2, concurrency=20)
        replies = ask(analyst, *(str(i) for i in range(12)))
    assert {Status.TIMEOUT} <= {reply.status for reply in replies} <= {Status.OK, Status.TIMEOUT}
    assert analyst.gateway.routes[0].circuit.closed_for == 0


def test_what_a_server_says_cannot_command_a_terminal(make: Make) -> None:
    with ModelServer([lambda call: failure(call, 400, "bad", "no\x1b[2J\nsk-test-key")]) as server:
        (reply,) = ask(make(server))
    assert reply.detail.isprintable() and "sk-test-key" not in reply.detail


def test_a_client_that_cannot_be_made_is_a_status(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer([GOOD]) as server:
        analyst = make(server)

        def broken() -> Any:
            raise OSError("no certificates")

        monkeypatch.setattr(analyst.gateway.routes[0].adapter, "_new_client", broken)
        (reply,) = ask(analyst)
    assert (reply.status, reply.cost) == (Status.UNAVAILABLE, 0) and "no certificates" in reply.detail


def test_the_next_model_of_the_chain_answers(make: Make) -> None:
    def script(call: Call) -> Any:
        return FAULTS["529"](call) if call.model == "claude-haiku-5-5" else GOOD

    spare = {"spare": {"provider": "anthropic", "input": "1", "output": "1", "cutoff": "2026-11-01"}}
    with ModelServer(script) as server:
        analyst = make(server, fallback=["spare"], models=spare, attempts=2)
        (views,) = read(analyst, event())
    assert isinstance(views, list) and views[0].model == "spare"
    # The chain is as clean as the model that knows most.
    assert analyst.clean_from == load_models(spare)["spare"].clean_from
    again = make("http://127.0.0.1:9", fallback=["spare"], models=spare, mode="replay")
    assert read(again, event()) == [views]


def test_a_slow_first_model_leaves_time_for_the_next(make: Make) -> None:
    def script(call: Call) -> Any:
        return FAULTS["slow headers"](call) if call.model == "claude-haiku-5-5" else GOOD

    spare = {"spare": {"provider": "anthropic", "input": "1", "output": "1"}}
    with ModelServer(script) as server:
        (reply,) = ask(make(server, fallback=["spare"], models=spare, deadline=10))
    assert reply.ok and reply.model == "spare"


# -- money -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["anthropic", "openai"])
def test_a_call_is_settled_from_its_usage(make: Make, vendor: str) -> None:
    with ModelServer(lambda call: answer(call, GOOD, usage=(1000, 100))) as server:
        analyst = make(server, vendor)
        (reply,) = ask(analyst)
    price = priced(analyst.models[0])
    assert reply.usage == Usage(1000, 100)
    assert reply.cost == price.cost(Usage(1000, 100)) == analyst.budget.settled == Decimal("0.00015")
    assert analyst.budget.ledger is not None
    (day,) = analyst.budget.ledger.days()
    assert (day.settled, day.reserved, day.models[0].input) == (reply.cost, 0, 1000)


def test_cached_tokens_are_priced_as_such(make: Make) -> None:
    def script(call: Call) -> Any:
        made = answer(call, GOOD, usage=(1000, 100))
        document = json.loads(made.body)
        document["usage"]["input_tokens_details"] = {"cached_tokens": 600, "cache_write_tokens": 100}
        return replace(made, body=json.dumps(document).encode())

    with ModelServer(script) as server:
        (reply,) = ask(make(server, "openai"))
    assert reply.usage == Usage(300, 100, 600, 100)
    assert reply.cost == Decimal("300") * Decimal("1e-7") + Decimal("100") * Decimal("5e-7") + (
        Decimal("600") * Decimal("1e-8") + Decimal("100") * Decimal("1.25e-7")
    )


def test_unknown_usage_is_charged_at_the_worst_case(make: Make) -> None:
    with ModelServer([FAULTS["missing usage"]]) as server:
        analyst = make(server)
        (reply,) = ask(analyst)
    request, labels = analyst.request(event("Title"))
    worst = analyst.gateway.worst(analyst.gateway.routes[0], complete(request, event("Title"), labels))
    assert reply.ok and reply.cost == worst > 0


def test_an_error_of_the_provider_costs_nothing(make: Make) -> None:
    with ModelServer([FAULTS["500"]]) as server:
        analyst = make(server)
        (reply,) = ask(analyst)
    assert reply.cost == analyst.budget.settled == 0


@pytest.mark.parametrize("caps", [{"budget_run": 0.00001}, {"budget_day": 0.00001}, {"budget_run": 0}])
def test_without_money_nobody_is_asked(make: Make, caps: dict[str, float]) -> None:
    with ModelServer([GOOD]) as server:
        analyst = make(server, **caps)
        (said,) = read(analyst, event())
    assert isinstance(said, Abstain) and said.reason.startswith("budget: ")
    assert server.calls == [] and len(analyst.store) == 0


def test_the_caps_hold_over_a_concurrent_run(make: Make) -> None:
    """100 events at once with every sort of failure; the server's count of tokens stays below the cap."""
    faults = ["500", "missing usage", "cut mid-body", "nan", "html called json", "refusal"]

    def script(call: Call) -> Any:
        if call.number % 4 == 0:
            return FAULTS[faults[call.number // 4 % len(faults)]](call)
        return answer(call, GOOD, usage=(900 + call.number % 7, 60 + call.number % 11))

    with ModelServer(script) as server:
        analyst = make(server, budget_run=0.015, budget_day=0.01, concurrency=16, mode="live")
        replies = ask(analyst, *(f"title {i}" for i in range(100)))
    assert analyst.budget.settled <= Decimal("0.01")
    assert analyst.budget.settled == sum(reply.cost for reply in replies) > Decimal("0.007")
    assert analyst.budget.reserved == 0
    assert {reply.status for reply in replies} >= {Status.OK, Status.BUDGET}
    assert analyst.budget.ledger is not None
    (day,) = analyst.budget.ledger.days()
    assert (day.settled, day.reserved) == (analyst.budget.settled, 0)


def test_a_cancelled_call_is_charged_and_leaves_nothing_reserved(make: Make) -> None:
    async def work(analyst: LLMAnalyst) -> None:
        request, labels = analyst.request(event())
        task = asyncio.ensure_future(analyst.gateway.ask(complete(request, event(), labels)))
        while not server.calls:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await analyst.close()

    with ModelServer([FAULTS["slow headers"]]) as server:
        analyst = make(server)
        asyncio.run(work(analyst))
    assert analyst.budget.reserved == 0 and analyst.budget.settled > 0


# -- modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_replay_is_bit_identical_and_opens_no_socket(
    make: Make, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [event(f"AAPL raises its guidance {i} times") for i in range(20)]

    def script(call: Call) -> Any:
        if call.number % 5 == 4:
            return FAULTS["nan"](call)
        return says(view(score=0.1 * (call.number % 7) / 3, confidence=1 / (1 + call.number)))

    with ModelServer(script) as server:
        recorded = read(make(server, vendor), *events)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a replay opened a socket")

    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    replayer = make(None, vendor, mode="replay")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        first = [replayer.read(item) for item in events]
        second = [make(None, vendor, mode="replay").read(item) for item in events]
    assert repr(first) == repr(second) == repr(recorded)
    assert any(isinstance(said, Abstain) for said in recorded)


def test_a_replay_lets_no_miss_pass(make: Make, server: ModelServer) -> None:
    read(make(server), event())
    with pytest.raises(ReplyMissing, match="no reply of claude-haiku-5-5@low to .*'news' for 'Other'"):
        make(None, mode="replay").read(event("Other"))


def test_a_prompt_edited_after_the_recording_is_an_error(
    make: Make, server: ModelServer, tmp_path: Path
) -> None:

    read(make(server), event())
    (tmp_path / "news.md").write_text((FOLDER / "news.md").read_text() + "- Be bold.\n")
    with pytest.raises(ReplyMissing, match="the prompt 'news' was edited after the replies"):
        make(None, mode="replay", prompts=str(tmp_path)).read(event())


def test_a_recording_asks_only_what_it_lacks(make: Make, server: ModelServer) -> None:
    first = read(make(server), event())
    analyst = make(server)
    assert analyst.read(event()) == first[0]  # at once, without awaiting
    assert len(server.calls) == 1 and analyst.budget.settled == 0


def test_a_recording_asks_again_what_failed(make: Make) -> None:
    with ModelServer([FAULTS["nan"], GOOD]) as server:
        (failed,) = read(make(server), event())
        assert isinstance(failed, Abstain)
        # Until then, that is how it was.
        assert make(None, mode="replay").read(event()) == failed
        (good,) = read(make(server), event())
        assert isinstance(good, list)
    assert make(None, mode="replay").read(event()) == good


def test_one_question_is_recorded_once_whoever_asks_it(make: Make) -> None:
    """Two events with the same text: what the recording run saw is what a replay sees."""
    twins = [event(data={}, url=f"https://example.org/{i}") for i in range(12)]
    with ModelServer([FAULTS["nan"], GOOD]) as server:
        analyst = make(server)
        recorded = read(analyst, *twins)
        recorded += read(analyst, event())
        assert len(server.calls) == 1
    replayer = make(None, mode="replay")
    assert [replayer.read(item) for item in [*twins, event()]] == recorded


def test_who_waits_for_anothers_question_asks_itself_when_that_is_cancelled(make: Make) -> None:
    async def work(analyst: LLMAnalyst) -> Reply:
        request, labels = analyst.request(event())
        asked = complete(request, event(), labels)
        first = asyncio.ensure_future(analyst.gateway.ask(asked))
        while not server.calls:
            await asyncio.sleep(0.001)
        second = asyncio.ensure_future(analyst.gateway.ask(asked))
        await asyncio.sleep(0)
        first.cancel()
        reply = await second
        await analyst.close()
        return reply

    with ModelServer([FAULTS["slow headers"], GOOD]) as server:
        assert asyncio.run(work(make(server))).ok


def test_live_asks_every_time_and_keeps_what_was_said(make: Make, server: ModelServer) -> None:
    analyst = make(server, mode="live")
    read(analyst, event())
    read(analyst, event())
    assert len(server.calls) == 2
    assert len(ReplyStore(analyst.store.path)) == 1


def test_draws_are_recorded_apart(make: Make, server: ModelServer) -> None:
    read(make(server, draw=0), event())
    read(make(server, draw=1), event())
    assert len(server.calls) == 2


def test_a_corrupt_store_is_an_error_before_anybody_is_asked(
    make: Make, server: ModelServer, tmp_path: Path
) -> None:
    (tmp_path / "replies.jsonl").write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match="is no reply store"):
        make(server).read(event())
    assert server.calls == []


def test_patience_ends_the_wait_for_a_slot(make: Make) -> None:
    with ModelServer([FAULTS["slow headers"]]) as server:
        replies = ask(make(server, concurrency=1, patience=0.05, deadline=1, attempts=1), "a", "b")
    assert [reply.status for reply in replies] == [Status.TIMEOUT, Status.TIMEOUT]
    assert sorted(reply.detail for reply in replies) == ["no answer within 1 s", "no free slot in time"]


def test_a_state_store_that_fails_stops_the_spending(make: Make, server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "state").write_text("")
    (said,) = read(make(server, state=f"file:{tmp_path / 'broken'}"), event())
    assert isinstance(said, Abstain) and "cannot be written down" in said.reason
    assert server.calls == []
