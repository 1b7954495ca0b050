import json
from pathlib import Path

import pytest

from kronos_quant import ConfigError
from kronos_quant.config import load_yaml
from kronos_quant.model import ModelCard, Pair
from kronos_quant.own_code import OwnCode
from kronos_quant.signals import Recipe, Weights, recipe
from kronos_quant.signals.recipe import resolve_blend, resolve_imported, resolve_recipe

CARD = {"lookback_window": 16, "predict_window": 4, "clip": 5.0}


def weights(digest="abc", max_context=512, **card):
    return Weights("tiny", Pair(None, None, max_context, digest), digest, ModelCard(**(CARD | card)))


def resolved(trained=None, universe="all", freq="day", **fields):
    return resolve_recipe(Recipe.model_validate(fields), trained or weights(), universe, freq)


OTHER_VALUES = {
    "nucleus": "published",
    "context": "trim",
    "dtype": "bfloat16",
    "universe": "csi300",
    "lookback_window": 8,
    "horizon": 3,
    "samples": 21,
    "temperature": 0.9,
    "top_p": 0.8,
    "top_k": 5,
    "seed": 1,
    "return_base": "actual",
    "max_missing_bars": 9,
    "paths": True,
    "asof": {"every": 12},
}
OF_READING = {
    "score": "median",
    "steps": [{"step": "winsorise"}, {"step": "neutralise", "exposures": ["size"]}, {"step": "rank"}],
    "calibration": {"sessions": 100},
}
"""What is made of the raw rows when they are read."""


@pytest.mark.parametrize(("field", "value"), OTHER_VALUES.items())
def test_the_digest_changes_with_every_field_that_changes_a_number(field, value):
    assert resolved(freq="5min", **{field: value}).digest != resolved(freq="5min").digest


def test_renamed_settings_have_an_alias_and_keep_the_key_of_what_is_stored():
    old = resolved(base="actual", max_missing=3)
    assert (old.recipe.return_base, old.recipe.max_missing_bars) == ("actual", 3)
    assert old.digest == resolved(return_base="actual", max_missing_bars=3).digest
    assert {"base", "max_missing"} <= set(old.content())


def test_digests_are_those_of_the_stores_of_before():
    """Computed at 4ba1cbd: a store that was made then is not computed again."""
    steps = {"steps": [{"step": "winsorise"}, {"step": "rank"}], "calibration": {"sessions": 60}, "score": "median"}
    default, actual = resolved(), resolved(return_base="actual")
    own = Recipe.model_validate({"own_score": "a.py", "score": "own"})
    digests = {
        "f62c49a55910a2e2": [default, resolved(**steps)],
        "03355bf6b990e3f7": [actual],
        "12e5a70b30c69b5c": [resolved(max_missing_bars=3)],
        "2d371b672c688130": [resolve_recipe(own, weights(), "all", "day", "mine", OwnCode(Path("a.py"), "1"))],
        "9cc6dcaff42b974c": [resolved(freq="5min", asof={"every": 12}, paths=True)],
        "e3efe180b275b3dc": [resolve_imported(Recipe(imported="mine", score="alpha"), "all", "day")],
        "a2e52fda5dfaef38": [resolve_blend(Recipe(members=("a", "b")), (default, actual), "day", "both")],
    }
    assert {found.digest: digest for digest, every in digests.items() for found in every} == {d: d for d in digests}


def test_every_field_of_a_recipe_is_either_in_the_digest_or_named_here():
    assert set(Recipe.model_fields) == {*OTHER_VALUES, *OF_READING, "model", "own_score", "imported", "members"}


@pytest.mark.parametrize("other", [{"model": "runs/train/x"}, *({name: value} for name, value in OF_READING.items())])
def test_the_name_of_the_model_and_what_is_done_when_reading_leave_the_digest_alone(other):
    assert resolved(**other).digest == resolved().digest


def test_the_digest_holds_the_content_of_a_users_score_and_not_its_place():
    def digest(path, content):
        given = Recipe.model_validate({"own_score": path})
        return resolve_recipe(given, weights(), "all", "day", "mine", OwnCode(path, content)).digest

    assert digest("a.py", "1") == digest("b.py", "1") != digest("a.py", "2")
    assert digest("a.py", "1") != resolved().digest


def test_what_ranks_is_the_score_or_what_the_steps_make_of_it():
    assert resolved(score="median").ranks_by == "median"
    assert resolved(score="median", steps=[{"step": "zscore"}]).ranks_by == "score"


def test_an_import_is_known_by_its_name_and_a_blend_by_its_members():
    one, other = resolved(), resolved(seed=1)
    blend = resolve_blend(Recipe(members=("a", "b")), (one, other), "day", "both")
    assert blend.digest == resolve_blend(Recipe(members=("c", "d"), horizon=4), (one, other), "day").digest
    assert blend.digest != resolve_blend(Recipe(members=("b", "a")), (other, one), "day").digest
    assert (blend.horizon, blend.universe, blend.ranks_by) == (4, "all", "score")
    mine, yours = (resolve_imported(Recipe(imported=name, score="alpha"), "all", "day") for name in ("mine", "yours"))
    assert mine.digest != yours.digest
    assert (mine.horizon, mine.ranks_by) == (1, "alpha")


def test_members_must_speak_of_the_same_bars_ahead_and_the_same_universe():
    with pytest.raises(ConfigError, match=r"both: members: expected one horizon, found  4,  3"):
        resolve_blend(Recipe(members=("a", "b")), (resolved(), resolved(horizon=3)), "day", "both")
    with pytest.raises(ConfigError, match="expected one universe"):
        resolve_blend(Recipe(members=("a",), universe="csi500"), (resolved(),), "day", "both")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("model: x\nmembers: [a, b]\n", "one of model, imported and members, found model and members"),
        ("imported: x\nsamples: 3\n", "samples: only for recipes with a model (imported is given)"),
        ("members: [a, b]\nscore: mean\n", "score: only for recipes with a model (members is given)"),
        ("members: [a, a]\n", "members: each once, found a, a"),
        ("score: own\n", "score: expected one of mean, last"),
        ("steps: [{step: winsorize}]\n", "winsorise"),
        ("steps: [{step: smooth, sessions: 1}]\n", "steps.0.smooth.sessions: must be greater than or equal to 2"),
        ("steps: [{step: smooth, session: 2}]\n", "steps.0.smooth.session: no such field"),
        ("steps: [{step: neutralise, exposures: [size, size]}]\n", "each exposure once, found size, size"),
        ("calibration: {sessions: 5}\n", "calibration.sessions: must be greater than or equal to 20"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_one_clear_line(tmp_path, given, message):
    path = tmp_path / "mine.yaml"
    path.write_text(given)
    with pytest.raises(ConfigError) as caught:
        load_yaml(Recipe, path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


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


def test_a_horizon_beyond_memory_is_refused():
    assert resolved(horizon=4096).horizon == 4096
    words = "horizon: expected at most 4096 bars, 8 x the model's max_context, found 4097"
    with pytest.raises(ConfigError, match=words):
        resolved(horizon=4097)


def test_what_the_digest_is_computed_from_is_plain_json_and_says_all():
    content = json.loads(json.dumps(resolved(samples=7).content()))
    assert content["samples"] == 7
    assert content["weights"] == "abc"
    assert not {"score", "model"} & set(content)
    assert len(resolved().digest) == 16


@pytest.mark.parametrize("field", ["lookback_window", "horizon"])
def test_a_blank_that_nothing_fills_is_an_error_that_names_it(field):
    published = Weights("NeoQuasar/Kronos-small", Pair(None, None, 512, "abc"), "abc", ModelCard())
    given = {"lookback_window": 16, "horizon": 4}
    del given[field]
    with pytest.raises(ConfigError, match=f"{field}: NeoQuasar/Kronos-small has no card"):
        resolved(published, **given)
    assert published.card.clip == 5


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"top_p": 0}, {"top_p": 1.1}, {"temperature": -1}, {"score": "best"}, {"sample": 3}]
)
def test_a_value_out_of_range_or_a_field_unknown_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe.model_validate(wrong)


def test_daily_bars_have_no_moments_but_the_close():
    with pytest.raises(ConfigError, match="asof: daily bars have one decision time, the close"):
        resolved(asof={"every": 1})
    assert resolved().at_close


def test_a_recipe_of_intraday_bars_ranks_at_the_close_or_at_its_moments():
    assert resolved(freq="5min").at_close
    several = resolved(freq="5min", asof={"times": ["11:30"]})
    assert not several.at_close
    imported = resolve_imported(Recipe(imported="mine", score="score"), "all", "5min")
    assert not imported.at_close  # its rows say what they are asof
    blend = Recipe.model_validate({"members": ["a", "b"]})
    assert resolve_blend(blend, (resolved(freq="5min"), resolved(freq="5min")), "5min").at_close
    assert not resolve_blend(blend, (resolved(freq="5min"), several), "5min").at_close


def test_a_calibration_that_could_never_learn_enough_is_refused():
    words = "mine: calibration: sessions: 180 hold 3 non-overlapping outcomes of 60 bars, expected at least 4"
    learned = {"calibration": {"sessions": 180}}
    own = Recipe(horizon=60, **learned)
    with pytest.raises(ConfigError, match=words) as found:
        resolve_recipe(own, weights(), "all", "day", "mine")
    assert found.value.hint == "Set sessions to 181 or more, or leave calibration out."
    assert resolved(horizon=60, calibration={"sessions": 181}).horizon == 60
    assert resolved(freq="5min", horizon=60, **learned).horizon == 60  # a session holds several bars
    foreign = Recipe.model_validate({"imported": "mine", "horizon": 60} | learned)
    with pytest.raises(ConfigError, match=words):
        resolve_imported(foreign, "all", "day", "mine")
    with pytest.raises(ConfigError, match=words):
        resolve_blend(Recipe.model_validate({"members": ["a"]} | learned), (resolved(horizon=60),), "day", "mine")


@pytest.mark.parametrize(("step", "found"), [("winsorise", "'winsorise'"), ("{limit: 0.01}", "{'limit': 0.01}")])
def test_a_step_of_a_wrong_form_is_told_with_the_right_one(tmp_path, step, found):
    path = tmp_path / "mine.yaml"
    path.write_text(f"steps:\n  - {step}\n")
    with pytest.raises(ConfigError) as caught:
        load_yaml(Recipe, path)
    expected = "expected a step such as {step: winsorise, limit: 0.01}"
    assert str(caught.value) == f"{path}:2: steps.0: {expected}, found {found}"
