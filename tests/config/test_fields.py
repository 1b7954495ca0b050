"""The table of fields: names, permitted values, defaults."""

from typing import Literal

import pytest
from pydantic import Field

from kronos_quant.backtest import Strategy
from kronos_quant.config import Section, WorkspaceConfig
from kronos_quant.config.fields import field_rows, permitted_values, value_text
from kronos_quant.signals import Recipe


class Made(Section):
    """A section of its own."""

    said: int = Field(3, json_schema_extra={"permitted": "an odd integer", "unit": "bars"}, description="a field")


def rows(model):
    return {row.name: row for row in field_rows(model)}


@pytest.mark.parametrize(
    ("model", "name", "permitted"),
    [
        (WorkspaceConfig, "train.workers", "integer from 0 to 64"),
        (WorkspaceConfig, "train.backend", "nccl, gloo or null"),
        (WorkspaceConfig, "train.train_time_range", "[YYYY-MM-DD, YYYY-MM-DD] or null"),
        (WorkspaceConfig, "train.samples_per_epoch", "integer from 1 to 1,000,000,000, all or null"),
        (Recipe, "top_p", "number above 0 up to 1"),
        (Recipe, "steps.winsorise.limit", "number above 0 and below 0.5"),
        (Recipe, "steps.zscore", "{step: zscore}"),
        (Strategy, "short", "true or false"),
        (Strategy, "lots", "text: integer from 1 to 1,000,000,000"),
        (Made, "said", "an odd integer"),
    ],
)
def test_what_a_field_may_hold_is_said_in_words(model, name, permitted):
    assert rows(model)[name].permitted == permitted


def test_a_row_has_default_unit_meaning_and_older_names():
    row = rows(WorkspaceConfig)["train.predictor_epochs"]
    assert (row.type, row.default, row.aliases) == ("integer or null", "null", ("basemodel_epochs", "epochs"))
    assert row.meaning.startswith("predictor epochs")
    assert rows(Made)["said"].unit == "bars"
    assert rows(Strategy)["account"].default == "100000000"
    assert rows(Strategy)["qlib.volume_threshold.buy"].default == "required"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (0.95, "0.95"), ("", '""'), ((1, 2.5), "[1, 2.5]"), ({}, "{}")]
)
def test_a_value_is_written_as_yaml_would_have_it(value, text):
    assert value_text(value) == text


def test_the_words_of_a_choice_stand_one_by_one():
    class Chosen(Section):
        way: Literal["a", "b"] | None = None

    assert permitted_values(Chosen.model_fields["way"]) == "a, b or null"
