"""Every field of kq.yaml, a recipe or a strategy says what it is, and a number has a unit or is known to have none."""

import pytest

from kronos_quant.backtest import Strategy
from kronos_quant.config import WorkspaceConfig
from kronos_quant.config.fields import FieldRow, field_rows
from kronos_quant.config.section import Section
from kronos_quant.market.exchanges.levies import LEVIES
from kronos_quant.signals import Recipe

WITHOUT_UNIT = {
    "train.seed",
    "train.tokenizer_learning_rate",
    "train.predictor_learning_rate",
    "train.weight_decay",
    "train.max_grad_norm",
    "train.weight_average",
    "train.head.learning_rate",
    "train.head.weight_decay",
    "seed",
    "temperature",
    "liquidity.impact",
    "qlib.impact_cost",
    "optimise.risk_aversion",
    "optimise.information_coefficient",
}
"""Numbers that are pure: seeds, rates of the optimiser, coefficients."""

ROWS = [row for model in (WorkspaceConfig, Recipe, Strategy) for row in field_rows(model)]
FEWEST_WORDS = 2


def test_every_field_has_a_description_that_stands_alone():
    assert [row.name for row in ROWS if len(row.meaning.split()) < FEWEST_WORDS] == []
    assert [row.name for row in ROWS if row.meaning.endswith(".") or row.meaning.startswith("of ")] == []


def test_every_number_has_a_unit_or_is_known_to_have_none():
    numbers = {row.name for row in ROWS if row.type.startswith(("integer", "number"))}
    units = {row.name for row in ROWS if row.unit}
    assert numbers - units == WITHOUT_UNIT
    assert units - numbers <= {"lots", "gates.rules", "strategy.lots"}


def test_a_unit_leaves_the_other_names_of_a_field_alone_and_changes_no_value():
    rows: dict[str, FieldRow] = {row.name: row for row in field_rows(WorkspaceConfig)}
    assert (rows["train.lookback_window"].unit, rows["train.embargo"].unit) == ("bars", "sessions")
    assert "use_amp" in rows["train.precision"].aliases
    assert "unit" not in str(Strategy().model_dump())


def test_a_unit_of_a_field_that_does_not_exist_is_a_mistake():
    with pytest.raises(KeyError, match="lenght"):

        class _Wrong(Section):
            units = {"bars": "lenght"}  # noqa: RUF012
            length: int = 1


def test_a_levy_says_plainly_what_was_not_checked():
    assert [levy.source for levy in LEVIES if "memory" in levy.source or not levy.source] == []
    assert sum("not checked" in levy.source for levy in LEVIES) == 22
