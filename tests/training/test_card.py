"""The data that a card says its weights may have seen, and the verdict on validation forecasts."""

import json
from datetime import date

import numpy as np
import pytest
from training.jobs import job_in

from kronos_quant import CheckpointError
from kronos_quant.config import ModelConfig
from kronos_quant.model.card import ForecastFigures
from kronos_quant.training import fit
from kronos_quant.training.card import compare_errors, cutoff_note, forecast_lines, pretraining_cutoff, write_verdict
from kronos_quant.training.validation import ValidationScore, forecast_summary

TARGETS = {"train": ["2020-01-01T00:00", "2023-06-30T00:00"], "val": ["2023-07-03T00:00", "2023-09-29T00:00"]}


@pytest.fixture
def based(market_workspace):
    """A job whose base is a folder with this card, and these settings in kq.yaml."""
    job = job_in(market_workspace)

    def make(card=None, **model):
        folder = market_workspace.root / "models" / "base"
        folder.mkdir(parents=True, exist_ok=True)
        if card is not None:
            (folder / "card.json").write_text(json.dumps(card))
        return job.model_copy(update={"model": ModelConfig(base="base", **model)})

    return make


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (None, None),
        ({}, None),
        ({"pretraining_cutoff": "2024-06-30"}, date(2024, 6, 30)),
        ({"base": "scratch (nano)", "targets": TARGETS, "pretraining_cutoff": None}, date(2023, 9, 29)),
        ({"base": "other", "targets": TARGETS, "pretraining_cutoff": "2024-06-30"}, date(2024, 6, 30)),
        ({"base": "other", "targets": TARGETS, "pretraining_cutoff": "2019-06-30"}, date(2023, 9, 29)),
        ({"base": "other", "targets": TARGETS}, None),
    ],
)
def test_a_base_was_pre_trained_until_what_its_card_says_or_its_own_training_ended(based, card, expected):
    assert pretraining_cutoff(based(card)) == expected


def test_the_yaml_has_the_last_word_and_from_scratch_nothing_was_seen(based, market_workspace):
    told = based({"pretraining_cutoff": "2024-06-30"}, pretraining_cutoff=date(2022, 1, 1))
    assert pretraining_cutoff(told) == date(2022, 1, 1)
    scratch = told.model_copy(update={"model": told.model.model_copy(update={"base": "scratch"})})
    assert pretraining_cutoff(scratch) is None


def test_a_card_without_a_date_there_is_a_checkpoint_error(based):
    with pytest.raises(CheckpointError, match=r"base/card.json: expected a date, found 'last summer'"):
        pretraining_cutoff(based({"pretraining_cutoff": "last summer"}))


@pytest.mark.parametrize("targets", [{"train": ["2020-01-01"]}, {}, [1], {"train": None, "val": None}])
def test_a_card_with_other_targets_is_a_checkpoint_error(based, targets):
    with pytest.raises(CheckpointError, match=r"base/card.json: targets: expected train and val with two dates each"):
        pretraining_cutoff(based({"base": "other", "targets": targets}))


def test_validation_bars_that_the_base_may_have_seen_are_said(based):
    job, first = based(), np.datetime64("2024-07-01T00:00", "us")
    too_good = "figures of the zero-shot model on bars it was trained on are too good"
    assert cutoff_note(job, None, first) == (
        f"the end date of the pre-training data of base is unknown (model.pretraining_cutoff): {too_good}"
    )
    assert cutoff_note(job, date(2024, 7, 1), first) == f"base was pre-trained on bars up to 2024-07-01: {too_good}"
    assert cutoff_note(job, date(2024, 6, 30), first) is None
    scratch = job.model_copy(update={"model": ModelConfig(base="scratch")})
    assert cutoff_note(scratch, None, first) is None


def test_the_cutoff_is_carried_into_the_card_from_base_to_base(market_workspace):
    """From scratch, then tuned on its own, then told by hand: what `kq evaluate` reads."""
    first = fit(job_in(market_workspace, "first", tokenizer_epochs=0, predictor_epochs=0))
    assert first.card.pretraining_cutoff is None
    last_seen = first.card.targets.val[1].date()

    def tuned(name, **model):
        job = job_in(market_workspace, name, tokenizer_epochs=0, predictor_epochs=0)
        return fit(job.model_copy(update={"model": ModelConfig(base=str(first.best), **model)})).card

    assert tuned("second").pretraining_cutoff == last_seen
    told = tuned("third", pretraining_cutoff=date(2020, 1, 1))
    assert told.pretraining_cutoff == date(2020, 1, 1)
    assert not [line for line in told.decoded.verdict if "too good" in line]
    assert "too good" in tuned("fourth").decoded.verdict[-1]


def test_another_cutoff_does_not_begin_another_training(based):
    assert based().identity == based(pretraining_cutoff=date(2022, 1, 1)).identity


NO_RANKS = {"rank_ic": None, "rank_ic_margin": None}


def score(errors, **figures):
    return ValidationScore(figures=NO_RANKS | figures, errors=errors)


def test_a_difference_is_a_share_of_the_other_error_with_its_margin():
    found = compare_errors(score([0.9, 1.8, 2.7]), score([1.0, 2.0, 3.0]))
    assert found.change == pytest.approx(-0.1)
    # differences -.1 -.2 -.3: standard error .1/sqrt 3, t 4.302653, over a mean of 2
    assert found.margin == pytest.approx(4.302653 * 0.1 / 3**0.5 / 2, rel=1e-6)
    assert str(found) == "no significant difference (MSE -10.0% ± 12.4%)"


@pytest.mark.parametrize(
    ("ours", "text"),
    [
        ([0.8, 1.8, 2.8], "significantly better (MSE -10.0% ± 0.0%)"),
        ([1.2, 2.2, 3.2], "significantly worse (MSE +10.0% ± 0.0%)"),
    ],
)
def test_a_difference_that_every_date_shows_is_significant(ours, text):
    assert str(compare_errors(score(ours), score([1.0, 2.0, 3.0]))) == text


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [2.0]), ([], [1.0, 2.0]), ([0.0, 0.0], [0.0, 0.0])])
def test_too_few_dates_or_no_error_at_all_is_no_comparison(ours, theirs):
    assert compare_errors(score(ours), score(theirs)) is None


def test_the_verdict_compares_with_the_start_and_the_last_close():
    trained = score([0.8, 1.8, 2.8], rank_ic=0.05, rank_ic_margin=0.02)
    told = write_verdict(trained, score([1.0, 2.0, 3.0], rank_ic=0.01), score([0.8, 1.9, 2.7]), "zero-shot model")
    assert told[0] == "trained vs zero-shot model: significantly better (MSE -10.0% ± 0.0%)"
    assert told[1].startswith("trained vs last close: no significant difference (MSE ")
    assert told[2] == "rank IC +0.050 ± 0.020 (zero-shot model: +0.010): significantly positive"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"rank_ic": -0.05, "rank_ic_margin": 0.02}, "rank IC -0.050 ± 0.020: significantly negative"),
        ({"rank_ic": 0.05, "rank_ic_margin": 0.06}, "rank IC +0.050 ± 0.060: not significant"),
        ({"rank_ic": 0.05}, "rank IC +0.050: too few dates for a confidence interval"),
        ({}, "rank IC not available: needs dates with at least 3 symbols and distinct forecasts"),
    ],
)  # fmt: skip
def test_the_ranking_is_judged_by_its_interval(figures, told):
    assert (
        write_verdict(score([1.0, 2.0], **figures), score([1.0, 3.0]), score([1.0, 2.5]), "untrained network")[-1]
        == told
    )


def test_training_that_came_to_nothing_is_said():
    same = score([1.0, 2.0])
    told = write_verdict(same, same, score([1.0]), "zero-shot model")
    assert told[0] == "No epoch improved on the zero-shot model; its weights are kept."
    assert told[1] == "trained vs last close: not comparable (too few dates, or no forecast)"


def test_the_figures_stand_side_by_side():
    figures = {"mae": 0.02, "mse": 4e-4, "r2": -0.01, "correlation": 0.1, "direction": 0.5, "rank_ic": None}
    decoded = {
        "windows": 48, "times": 4, "horizon": 10, "samples": 20, "chosen_by": "mae", "verdict": ["so it is"],
        "trained": figures, "start": figures | {"name": "zero-shot model"},
        "last_close": figures | {"correlation": None, "direction": None},
    }  # fmt: skip
    lines = forecast_lines(ForecastFigures.model_validate(decoded))
    assert lines[0] == (
        "validation forecasts: 48 windows on 4 dates, horizon 10 bars, mean of 20 sample paths; "
        "best epoch selected by mae"
    )
    assert lines[1].split() == ["MAE", "MSE", "R2", "correlation", "direction", "rank", "IC"]
    assert lines[2].split() == ["trained", "model", "2.000%", "4.000e-04", "-0.0100", "+0.1000", "50.0%", "-"]
    assert lines[4].split()[-3:] == ["-", "-", "-"]
    assert len({len(line) for line in lines[1:5]}) == 1
    assert lines[-1] == "so it is"
    # a card of before names it `control`
    former = {"control" if name == "start" else name: value for name, value in decoded.items()}
    assert forecast_lines(ForecastFigures.model_validate(former)) == lines


def test_a_line_of_the_log_has_the_rank_ic_or_the_correlation_and_nothing_for_the_tokenizer():
    figures = {"mae": 0.02, "naive_mae": 0.019, "rank_ic": 0.03, "correlation": -0.01}
    assert forecast_summary(figures) == "; forecasts: MAE 2.000% (last close 1.900%), rank IC +0.0300"
    assert forecast_summary(figures | {"rank_ic": None}).endswith("correlation -0.0100")
    assert forecast_summary({"loss": 1.0, "recon": 2.0}) == ""
