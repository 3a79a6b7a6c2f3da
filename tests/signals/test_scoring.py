"""Signal packs: a number per bar, proven not to know a later one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robo_trader.errors import PluginError
from robo_trader.signals import SignalTape
from robo_trader.signals.scoring import check, role_of, score, trial_bars


class Momentum:
    """The last move, squeezed; nothing on the first bar."""

    def score(self, bars: Any) -> Any:
        return np.tanh(np.concatenate(([np.nan], np.diff(bars.close))))


class Ahead:
    def score(self, bars: Any) -> Any:
        return np.tanh(np.concatenate((np.diff(bars.close), [np.nan])))


class Normalised:
    def score(self, bars: Any) -> Any:
        return (bars.close - bars.close.min()) / (bars.close.max() - bars.close.min())


class Seldom:
    """Warns of great falls, a bar too early."""

    def score(self, bars: Any) -> Any:
        return np.append(np.where(np.diff(bars.close) / bars.close[:-1] < -0.04, -1.0, 0.0), 0.0)


class Remembers:
    """Looks ahead in the longest bars that any of its instances has seen."""

    longest: Any = np.array([])

    def score(self, bars: Any) -> Any:
        if len(bars) > len(Remembers.longest):
            Remembers.longest = np.array(bars.close)
        return np.sign(np.append(np.diff(Remembers.longest), 0.0))[: len(bars)]


class Fear:
    also = ("OTHER",)

    def score(self, bars: Any, OTHER: Any) -> Any:
        return np.where(OTHER > 100.0, -1.0, 1.0)


def test_the_numbers_are_the_packs_own() -> None:
    bars = trial_bars()
    np.testing.assert_array_equal(score("m", Momentum, bars, {}), Momentum().score(bars))


@pytest.mark.parametrize("pack", [Ahead, Normalised, Seldom, Remembers])
def test_a_number_that_knows_a_later_bar_is_an_error_that_names_the_pack(pack: type) -> None:
    with pytest.raises(PluginError, match="the signal 'peek' depends on later bars: for the bar of TRIAL"):
        check("peek", pack)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda bars: [0.1], r"array of shape \(1,\) for \d+ bars"),
        (lambda bars: np.full(len(bars), 1.5), "says 1.5 for the bar"),
        (lambda bars: np.full(len(bars), np.inf), "says inf"),
        (lambda bars: ["x"] * len(bars), "ValueError"),
        (lambda bars: bars.nothing, "AttributeError"),
    ],
)
def test_wrong_answers_are_errors(answer: Any, said: str) -> None:
    pack = type("Pack", (), {"score": lambda self, bars: answer(bars)})
    with pytest.raises(PluginError, match=f"the signal 'x'.*{said}"):
        check("x", pack)


def test_few_numbers_that_change_in_time_are_no_look_ahead() -> None:
    late = type("P", (), {"score": lambda self, b: np.append([0.0], np.diff(b.close) / b.close[:-1] < -0.04)})
    check("late", late)


def test_other_symbols_are_joined_as_of_each_bars_end() -> None:
    bars, other = trial_bars("A"), trial_bars("OTHER", seed=3)
    role = role_of("fear", Fear, [bars], {"OTHER": other}.__getitem__)
    np.testing.assert_array_equal(role.bars["A"][1], Fear().score(bars, other.close))


def test_the_tape_gives_a_packs_number_at_its_bars_end_and_records_its_changes() -> None:
    pack = type("P", (), {"score": lambda self, b: np.r_[np.nan, np.nan, [0.5] * (len(b) - 2)]})
    bars = trial_bars(n=5)
    role = role_of("p", pack, [bars], lambda symbol: bars)
    tape = SignalTape(roles={"p": lambda: role})
    columns = tape.columns("p", bars.symbol, bars.end)
    np.testing.assert_array_equal(columns.value, [np.nan, np.nan, 0.5, 0.5, 0.5])
    assert columns.age.tolist()[2:] == [0, 0, 0]
    (signal,) = tape.signals
    assert (signal.value, signal.symbol, signal.expires_at) == (0.5, "TRIAL", None)
    before = tape.columns("p", bars.symbol, bars.end[2:3] - 1)
    assert np.isnan(before.value[0])
