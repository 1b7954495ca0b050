import json

import pytest

from kronos_quant import ConfigError
from kronos_quant.model import Pair
from kronos_quant.signals import Recipe, Weights, recipe, resolve_recipe

CARD = {"lookback_window": 16, "predict_window": 4, "clip": 5.0}


def weights(digest="abc", max_context=512, **card):
    return Weights("tiny", Pair(None, None, max_context, digest), digest, CARD | card)


def resolved(trained=None, universe="all", freq="day", **fields):
    return resolve_recipe(Recipe.model_validate(fields), trained or weights(), universe, freq)


OTHER_VALUES = {
    "universe": "csi300",
    "lookback_window": 8,
    "horizon": 3,
    "samples": 21,
    "temperature": 0.9,
    "top_p": 0.8,
    "top_k": 5,
    "seed": 1,
    "base": "actual",
    "max_missing": 9,
}


@pytest.mark.parametrize(("field", "value"), OTHER_VALUES.items())
def test_the_digest_changes_with_every_field_that_changes_a_number(field, value):
    assert resolved(**{field: value}).digest != resolved().digest


def test_every_field_of_a_recipe_is_either_in_the_digest_or_named_here():
    assert set(Recipe.model_fields) == {*OTHER_VALUES, "score", "model"}


@pytest.mark.parametrize("other", [{"score": "median"}, {"model": "runs/train/x"}])
def test_the_column_that_ranks_and_the_name_of_the_model_leave_the_digest_alone(other):
    assert resolved(**other).digest == resolved().digest


@pytest.mark.parametrize(
    "other",
    [
        {"trained": weights("def")},
        {"trained": weights(clip=3.0)},
        {"trained": weights(max_context=64)},
        {"freq": "5min"},
        {"universe": "csi300"},
    ],
)
def test_the_digest_changes_with_the_weights_what_their_card_says_and_the_workspace(other):
    assert resolved(**other).digest != resolved().digest


def test_the_digest_changes_with_the_version_of_the_numerics(monkeypatch):
    before = resolved().digest
    monkeypatch.setattr(recipe, "NUMERICS_VERSION", recipe.NUMERICS_VERSION + 1)
    assert resolved().digest != before


def test_a_blank_filled_in_is_the_same_recipe_as_the_value_written_out():
    written = resolved(lookback_window=16, horizon=4, universe="all")
    assert written.digest == resolved().digest
    assert (resolved().lookback, resolved().horizon, resolved().universe) == (16, 4, "all")


def test_the_recipe_comes_before_the_card_and_the_workspace():
    found = resolved(lookback_window=8, horizon=2, universe="csi500")
    assert (found.lookback, found.horizon, found.universe) == (8, 2, "csi500")


def test_what_the_digest_is_computed_from_is_plain_json_and_says_all():
    content = json.loads(json.dumps(resolved(samples=7).as_dict()))
    assert content["samples"] == 7
    assert content["weights"] == "abc"
    assert not {"score", "model"} & set(content)
    assert len(resolved().digest) == 16


@pytest.mark.parametrize("field", ["lookback_window", "horizon"])
def test_a_blank_that_nothing_fills_is_an_error_that_names_it(field):
    published = Weights("NeoQuasar/Kronos-small", Pair(None, None, 512, "abc"), "abc", {})
    given = {"lookback_window": 16, "horizon": 4}
    del given[field]
    with pytest.raises(ConfigError, match=f"{field}: NeoQuasar/Kronos-small does not say"):
        resolved(published, **given)
    assert published.clip == 5


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"top_p": 0}, {"top_p": 1.1}, {"temperature": -1}, {"score": "best"}, {"sample": 3}]
)
def test_a_value_out_of_range_or_a_field_unknown_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe.model_validate(wrong)
