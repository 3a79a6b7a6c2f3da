"""The clamp policy: what one, two and three sources may move, and what no view can do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saying import NOON, TITLES, event, opinion

from robo_trader.clock import to_ns
from robo_trader.signals.clamp import CAPS, DISPUTED, Opinion, consensus

NOW = to_ns(NOON)
HOUR = 3_600 * 1_000_000_000


def value(*opinions: Opinion, now: int = NOW) -> float:
    said = consensus(opinions, now)
    assert said is not None
    return said.value


@pytest.mark.parametrize(("sources", "cap"), [(1, 0.30), (2, 0.60), (3, 1.0), (5, 1.0)])
def test_what_independent_sources_may_move(sources: int, cap: float) -> None:
    said = [opinion(1.0, event(i, f"s{i}")) for i in range(sources)]
    assert value(*said) == pytest.approx(cap)
    assert value(*(opinion(-1.0, event(i, f"s{i}")) for i in range(sources))) == pytest.approx(-cap)


def test_a_weak_view_moves_what_it_says_and_no_more() -> None:
    assert value(opinion(0.5, event(0), confidence=0.4)) == pytest.approx(0.2)


def test_one_source_counts_once_however_much_it_prints() -> None:
    assert value(*(opinion(1.0, event(i, "wire")) for i in range(6))) == pytest.approx(0.30)


def test_copies_of_one_text_count_once_whoever_prints_them() -> None:
    same = "Apple cuts its guidance for the year"
    said = [opinion(-1.0, event(i, f"s{i}", title=f"{same} - Reuters" if i else same)) for i in range(4)]
    assert value(*said) == pytest.approx(-0.30)


def test_outlets_that_reprint_a_wire_and_write_their_own_are_independent_again() -> None:
    wire = "Apple cuts its guidance for the year"
    said = []
    for i in range(3):
        said.append(opinion(-1.0, event(10 + i, f"s{i}", title=wire)))
        said.append(opinion(-1.0, event(i, f"s{i}")))
    assert value(*said) == pytest.approx(-1.0)


def test_contradictions_of_the_offline_analyst_move_a_tenth_together() -> None:
    said = [opinion(1.0, event(i, f"s{i}"), disputed=True) for i in range(3)]
    assert value(*said) == pytest.approx(DISPUTED)
    assert value(said[0], opinion(1.0, event(4, "s4"))) == pytest.approx(0.30)
    two = [opinion(1.0, event(i, f"s{i}")) for i in (4, 5)]
    assert value(said[0], *two) == pytest.approx(0.60)


def test_suspicious_text_moves_nothing() -> None:
    assert consensus([opinion(1.0, event(0), suspicious=True)], NOW) is None
    assert value(opinion(1.0, event(0), suspicious=True), opinion(-0.1, event(1))) == pytest.approx(-0.1)


def test_opposite_sources_hold_each_other_back() -> None:
    assert value(opinion(1.0, event(0, "a")), opinion(-1.0, event(1, "b"))) == pytest.approx(0.0)


def test_the_weight_falls_in_a_straight_line_and_ends() -> None:
    one = opinion(1.0, event(0), hours=10)
    assert value(one, now=NOW + 5 * HOUR) == pytest.approx(0.15)
    assert value(one, now=NOW + 9 * HOUR) == pytest.approx(0.03)
    assert consensus([one], NOW + 10 * HOUR) is None
    assert consensus([one], NOW - 1) is None


def test_the_fresh_word_of_a_source_weighs_more_than_its_stale_one() -> None:
    old, new = opinion(1.0, event(0, minutes=-1200)), opinion(-1.0, event(1))
    assert value(old, new) == pytest.approx(-0.30)


def test_a_flood_of_one_source_cannot_push_the_others_out() -> None:
    others = [opinion(-1.0, event(i, f"s{i}")) for i in range(3)]
    flood = [opinion(1.0, event(100 + i, "flood", minutes=0.001 * i - 1)) for i in range(500)]
    assert value(*flood, *others) == pytest.approx(-0.70, abs=1e-3)


def test_many_analysts_of_one_event_are_all_weighed() -> None:
    said = [opinion(0.1 * k, event(0), analyst=f"a{k}") for k in range(6)]
    assert value(*said) == pytest.approx(0.25)


def test_the_evidence_names_what_was_weighed_by_time() -> None:
    said = consensus([opinion(0.5, event(2)), opinion(0.5, event(1, minutes=-5))], NOW)
    assert said is not None
    assert said.evidence == ("e001", "e002")
    assert said.sources == 1


scores = st.floats(-1, 1)
made = st.lists(
    st.builds(
        lambda n, s, score, c, hours, age, bad, doubted: opinion(
            score, event(n, f"s{s}", minutes=-60 * age), confidence=c, hours=hours,
            suspicious=bad, disputed=doubted,
        ),
        st.integers(0, 40), st.integers(0, 4), scores, st.floats(0, 1), st.floats(0.5, 72),
        st.floats(0, 48), st.booleans(), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(made, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_bounds_hold_and_order_means_nothing(said: list[Opinion], random: object) -> None:
    before = consensus(said, NOW)
    mixed = list(said)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    after = consensus(mixed, NOW)
    assert before == after
    if before is None:
        return
    live = [o for o in said if o.left(NOW) > 0]
    n = min(len({o.source for o in live}), len({o.event.title for o in live}), 3)
    assert abs(before.value) <= CAPS[n - 1] + 1e-12
    assert 0 <= before.confidence <= 1
    if all(o.disputed for o in live):
        assert abs(before.value) <= DISPUTED + 1e-12


@given(made, scores.filter(lambda s: abs(s) > 0.01), st.floats(0.1, 1))
@settings(max_examples=150, deadline=None)
def test_a_further_source_that_agrees_never_weakens(said: list[Opinion], score: float, c: float) -> None:
    before = consensus(said, NOW)
    told = event(41, "another", title="a text of nobody else in town")
    after = consensus([*said, opinion(score, told, confidence=c)], NOW)
    assert after is not None
    was = before.value if before is not None else 0.0
    assert (after.value - was) * score >= -1e-12


@given(made, st.integers(0, 40), scores, st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_one_source_alone_moves_at_most_what_the_next_cap_allows(
    said: list[Opinion], n: int, score: float, c: float
) -> None:
    """One more source moves a signal by 0.30, and by 0.40 where it makes two into three."""
    before = consensus(said, NOW)
    after = consensus([*said, opinion(score, event(n, "another"), confidence=c)], NOW)
    was = before.value if before is not None else 0.0
    assert after is not None
    assert abs(after.value - was) <= 0.40 + 1e-9


def test_the_horizon_of_a_view_counts_from_its_own_time() -> None:
    told = event(0)
    assert told.known_at == NOON
    one = opinion(1.0, told, hours=2)
    assert one.until - one.at == 2 * HOUR == int(timedelta(hours=2).total_seconds() * 1e9)
    assert len(set(TITLES)) == len(TITLES)
