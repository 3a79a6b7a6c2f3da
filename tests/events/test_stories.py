"""Stories: one story from many outlets is one; two stories are two; independence is hard to fake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from robo_trader.events.stories import group, independent, same_story
from robo_trader.records import Event

AT = datetime(2024, 5, 2, 20, 30, tzinfo=UTC)
BODY = (
    "Apple said on Thursday that revenue in the quarter rose to a record because customers in China bought"
    " more phones than in the year before, and that it would buy back shares worth a hundred billion dollars."
)


def told(title: str, source: str = "a", minutes: float = 0, **more: object) -> Event:
    return Event(
        kind="news", title=title, source=source, published_at=AT + timedelta(minutes=minutes), **more  # type: ignore[arg-type]
    )  # fmt: skip


FIVE = [
    told("Apple beats estimates as iPhone sales rise", "reuters"),
    told("UPDATE 1-Apple beats estimates as iPhone sales rise", "yahoo", 2),
    told("APPLE BEATS ESTIMATES AS IPHONE SALES RISE - CNBC", "cnbc", 3),
    told("Apple beats estimates as the iPhone's sales rise", "nasdaq", 9),
    told("Apple beats quarterly estimates as iPhone sales rise", "bloomberg", 30),
]


def test_five_outlets_carry_one_story() -> None:
    for order in list(permutations(FIVE))[::17]:
        (story,) = group(order)
        assert story.first is FIVE[0]
        assert story.sources == ("reuters", "yahoo", "cnbc", "nasdaq", "bloomberg")
    assert independent(FIVE) == 1


def test_direction_and_figures_tell_stories_apart() -> None:
    pairs = [
        ("Apple beats estimates as sales rise in China", "Apple misses estimates as sales fall in China"),
        ("Fed raises rates by 25 basis points", "Fed raises rates by 50 basis points"),
        ("Pfizer wins approval of its new heart drug", "Pfizer loses approval of its new heart drug"),
        ("Apple beats estimates, raises guidance", "Amazon beats estimates, raises guidance"),
        ("Apple names a new chief of design", "Tesla recalls cars in Norway over brakes"),
    ]  # fmt: skip
    for one, two in pairs:
        assert not same_story(told(one), told(two)), (one, two)
        assert len(group([told(one), told(two, minutes=1)])) == 2


def test_other_symbols_are_another_story() -> None:
    a, b = (
        told("Shares jump on results", symbols=("AAPL",)),
        told("Shares jump on results", symbols=("MSFT",)),
    )
    assert not same_story(a, b)
    assert same_story(a, told("Shares jump on results", "b"))


def test_the_same_body_under_another_title_is_a_copy() -> None:
    a = told("Record quarter for Apple", body=BODY)
    b = told("Cupertino cheers", "b", body=BODY.replace("Thursday", "Friday"))
    assert same_story(a, b)
    assert independent([a, b]) == 1


def test_a_story_ends_with_its_window() -> None:
    late = told(FIVE[0].title, "b", minutes=60 * 49)
    assert len(group([FIVE[0], late])) == 2
    between = told(FIVE[0].title, "b", minutes=60 * 25)
    assert len(group([FIVE[0], between, late])) == 1  # it was told again in between


def test_independence_needs_another_source_and_another_text() -> None:
    first = told("Apple beats estimates as iPhone sales rise", "a", url="https://www.example.com/1")
    own_words = "Strong demand in China lifts the quarter at the maker of the iPhone"
    assert independent([]) == 0
    assert independent([first]) == 1
    assert independent([first, told(own_words, "a")]) == 1  # the same source
    assert independent([first, told(own_words, "b", url="https://news.example.com/2")]) == 1  # the same site
    assert independent([first, told(own_words, "b", url="https://other.net/2")]) == 2
    changed = told("Apple easily beats street estimates 2x as iPhone sales surge", "b")
    assert independent([first, changed]) == 1
    chained = told(own_words, "c")
    assert independent([first, chained, told(own_words, "a", minutes=5)]) == 1


def test_grouping_takes_time_in_proportion_to_its_events() -> None:
    """Ten thousand near copies that share every common word: a quadratic grouping would take minutes."""
    many = [told(f"Apple shares rise on record demand in China, says analyst {'xyz'[i % 3] * (i % 97 + 1)}",
                 f"s{i}", i / 100) for i in range(10_000)]  # fmt: skip
    assert sum(len(story.events) for story in group(many)) == 10_000


def test_odd_events_do_no_harm() -> None:
    odd = [told(""), told("", "b"), told("!!!"), told("1 2 3"), told("A", url="http://["), told("\ud800")]
    assert sum(len(story.events) for story in group(odd)) == len(odd)
    assert independent(odd) >= 1
