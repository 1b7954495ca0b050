"""What a card says of the data that its weights may have seen."""

import json
from datetime import date

import numpy as np
import pytest
from training.jobs import job_in

from kronos_quant import CheckpointError
from kronos_quant.config import ModelConfig
from kronos_quant.training import fit
from kronos_quant.training.card import cutoff_note, pretraining_cutoff

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
    flattered = "where it has seen validation bars, the figures of the zero-shot model flatter it"
    assert cutoff_note(job, None, first) == (
        f"the end of the pre-training data of base is not known (model.pretraining_cutoff): {flattered}"
    )
    assert cutoff_note(job, date(2024, 7, 1), first) == f"base was pre-trained on bars until 2024-07-01: {flattered}"
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
    assert not [line for line in told.decoded.verdict if "flatter" in line]
    assert "flatter" in tuned("fourth").decoded.verdict[-1]


def test_another_cutoff_does_not_begin_another_training(based):
    assert based().identity == based(pretraining_cutoff=date(2022, 1, 1)).identity
