"""The list of models: every figure has its source, and users can add their own."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import robo_trader.intelligence.models as models
from robo_trader.errors import ConfigError
from robo_trader.intelligence.models import FREE, NEVER_CLEAN, Model, find_model, load_models, priced
from robo_trader.intelligence.reply import Usage

OWN = {"provider": "openai", "input": "1", "output": 2.5, "cutoff": "2026-01-31"}


def test_no_figure_stands_without_a_dated_source() -> None:
    tables = tomllib.loads(Path(models.__file__).with_name("models.toml").read_text(encoding="utf-8"))
    for name, table in tables.items():
        if "cutoff" in table:
            assert "https://" in table["cutoff_source"] and "read 20" in table["cutoff_source"], name
        if "input" in table:
            assert "https://" in table["source"] and "read 20" in table["source"], name
            assert isinstance(table["effective"], date), name


def test_the_small_models_are_known() -> None:
    known = load_models()
    assert set(models.DEFAULT_MODELS.values()) <= set(known)
    for name, model in known.items():
        price = priced(model)
        assert 0 < price.input <= price.output, name
        assert model.cutoff is not None


def test_clean_from_is_the_cutoff_plus_90_days() -> None:
    model = load_models()["gpt-6-luna"]
    assert model.clean_from == datetime(2026, 5, 18, tzinfo=UTC) + timedelta(days=90)
    assert Model("own", "local").clean_from == NEVER_CLEAN


def test_a_model_of_ones_own_is_added() -> None:
    model = load_models({"mine": OWN})["mine"]
    assert (model.provider, model.cutoff) == ("openai", date(2026, 1, 31))
    assert priced(model).cost(Usage(1_000_000, 100_000)) == Decimal("1.25")


def test_a_known_model_can_be_corrected_in_part() -> None:
    model = load_models({"gpt-6-luna": {"input": "9"}})["gpt-6-luna"]
    assert priced(model).input == 9 and priced(model).output == Decimal("0.50")
    assert model.cutoff == date(2026, 5, 18)
    # A figure of the user's does not stand under our source, and no cache is cheaper than we know.
    assert (priced(model).source, priced(model).effective) == ("", None)
    assert priced(model).cache_read == priced(model).cache_write == 9
    assert model.cutoff_source
    assert load_models({"gpt-6-luna": {"cutoff": "2026-06-01"}})["gpt-6-luna"].cutoff_source == ""


def test_the_end_of_time_is_a_cutoff() -> None:
    assert load_models({"m": {"provider": "local", "cutoff": "9999-12-31"}})["m"].clean_from == NEVER_CLEAN


def test_cost_counts_each_sort_of_token() -> None:
    price = priced(load_models()["gpt-6-luna"])
    usage = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert price.cost(usage) == Decimal("0.10") + Decimal("0.50") + Decimal("0.01") + Decimal("0.125")
    assert price.worst(1_000_000, 0) == Decimal("0.125")


def test_without_a_price_of_the_cache_it_costs_as_other_input() -> None:
    price = priced(load_models({"mine": OWN})["mine"])
    assert price.cost(Usage(0, 0, 1_000_000, 1_000_000)) == 2


def test_a_local_model_needs_no_entry_and_costs_nothing() -> None:
    assert find_model("qwen", load_models(), "local").price == FREE
    assert load_models({"qwen": {"provider": "local"}})["qwen"].price == FREE


def test_an_unknown_model_says_how_to_add_it() -> None:
    with pytest.raises(ConfigError, match="'gpt-6-lune' is not known") as caught:
        find_model("gpt-6-lune", load_models(), "openai")
    assert "did you mean 'gpt-6-luna'?" in caught.value.hint
    assert '[intelligence.models."gpt-6-lune"]' in caught.value.hint


def test_a_model_of_another_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="'gpt-6-luna' is openai's, not anthropic's"):
        find_model("gpt-6-luna", load_models(), "anthropic")


def test_a_missing_price_is_asked_for() -> None:
    model = load_models({"mine": {"provider": "openai"}})["mine"]
    with pytest.raises(ConfigError, match="no price is known for the model 'mine'") as caught:
        priced(model)
    assert "add input and output" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"provider": "acme"}, "provider is 'acme'"),
        ({"inptu": 1}, "inptu is not known (did you mean 'input'?)"),
        ({"input": "cheap"}, "input is 'cheap'"),
        ({"input": -1}, "input is -1"),
        ({"input": True}, "input is True"),
        ({"input": float("nan")}, "input is nan"),
        ({"cutoff": "last year"}, "cutoff is 'last year'"),
        ({"cutoff": 2026}, "cutoff is 2026"),
    ],
)
def test_a_wrong_entry_names_key_and_value(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_models({"mine": {**OWN, **change}})
    assert said in str(caught.value)


def test_half_a_price_and_no_table_are_refused() -> None:
    with pytest.raises(ConfigError, match="has only input"):
        load_models({"mine": {"provider": "openai", "input": 1}})
    with pytest.raises(ConfigError, match="must be a table, not 3"):
        load_models({"mine": 3})
