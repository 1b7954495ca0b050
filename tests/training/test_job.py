"""The identity of a job: a run of before must be resumed by the code of today."""

import json

import pytest

from kronos_quant.config import ModelConfig, TrainConfig, fill_presets
from kronos_quant.training import TrainingJob

NANO = {"base": "scratch", "preset": "nano"}
SETTINGS = {"max_missing": 3, "betas": (0.9, 0.99), "adapt": "full", "head": {"epochs": 2},
            "augment": {"noise": 0.1}, "train_time_range": ("2020-01-01", "2022-12-31"),
            "val_time_range": ("2023-01-01", "2023-06-30")}  # fmt: skip


def job(model, train):
    config = ModelConfig.model_validate(model)
    return TrainingJob(
        root="/w", folder="/w/runs/train/x", freq=None, universe="all", snapshot="a" * 64,
        weights=None if model else "b" * 64, device="cpu", models="/w/models", model=config,
        train=fill_presets(TrainConfig.model_validate(train), config),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "train", "digest"),
    [
        ({}, {}, "fecffbaf8d8101c438d9fb42de3f4777fa7dcb9c04cec5fd8b376b2d301c6dde"),
        (NANO, SETTINGS, "c7307562ad6114b627f926cdcfa8f91284fdf57fa07a4b789876c181ff44c2f5"),
    ],
)
def test_the_identity_is_that_of_the_first_release_under_any_name_of_a_setting(model, train, digest):
    assert job(model, train).identity == digest
    renamed = {"max_missing_bars" if name == "max_missing" else name: value for name, value in train.items()}
    assert job(model, renamed).identity == digest


def test_a_job_file_with_the_old_name_of_a_setting_is_read():
    values = json.loads(job(NANO, SETTINGS).model_dump_json())
    values["train"]["max_missing"] = values["train"].pop("max_missing_bars")
    assert TrainingJob.model_validate_json(json.dumps(values)) == job(NANO, SETTINGS)


@pytest.mark.parametrize(
    "changed", [{"max_missing_bars": 4}, {"seed": 1}, {"dataset_end_time": "2024-01-01"}, {"warm_up_steps": 5}]
)
def test_a_setting_that_decides_the_result_changes_the_identity(changed):
    assert job(NANO, changed).identity != job(NANO, {}).identity


@pytest.mark.parametrize("changed", [{"workers": 2}, {"trackers": ["comet"]}, {"comet": {"project_name": "kronos"}}])
def test_a_setting_that_decides_no_number_does_not(changed):
    assert job(NANO, changed).identity == job(NANO, {}).identity
