"""The published guides' settings, in their own words."""

import logging
from datetime import date
from pathlib import Path

import pytest

from kronos_quant import ConfigError
from kronos_quant.config import TrainConfig, WorkspaceConfig, load_workspace_config

CSV_GUIDE = """\
data:
  data_path: "data/HK_ali_09988_kline_5min_all.csv"
  lookback_window: 512
  predict_window: 48
  max_context: 512
  clip: 5.0
  train_ratio: 0.9
  val_ratio: 0.1
  test_ratio: 0.0

training:
  tokenizer_epochs: 30
  basemodel_epochs: 20
  batch_size: 32
  log_interval: 50
  num_workers: 6
  seed: 42
  tokenizer_learning_rate: 0.0002
  predictor_learning_rate: 0.000001
  adam_beta1: 0.9
  adam_beta2: 0.95
  adam_weight_decay: 0.1
  accumulation_steps: 1

model_paths:
  pretrained_tokenizer: pretrained/Kronos-Tokenizer-base
  pretrained_predictor: pretrained/Kronos-base
  exp_name: HK_ali_09988_kline_5min_all
  base_path: finetuned

experiment:
  name: kronos_custom_finetune
  use_comet: true
  train_tokenizer: false
  skip_existing: true

device:
  use_cuda: true

distributed:
  use_ddp: false
  backend: gloo
"""

QLIB_GUIDE = """\
train:
  instrument: csi300
  lookback_window: 90
  predict_window: 10
  max_context: 512
  epochs: 30
  batch_size: 50
  n_train_iter: 100000
  n_val_iter: 20000
  tokenizer_learning_rate: 2.0e-4
  predictor_learning_rate: 4.0e-5
  accumulation_steps: 1
  adam_beta1: 0.9
  adam_beta2: 0.95
  adam_weight_decay: 0.1
  log_interval: 100
  seed: 100
  train_time_range: ["2011-01-01", "2022-12-31"]
  val_time_range: ["2022-09-01", "2024-06-30"]
  test_time_range: ["2024-04-01", "2025-06-05"]
model:
  pretrained_tokenizer_path: NeoQuasar/Kronos-Tokenizer-base
  pretrained_predictor_path: NeoQuasar/Kronos-small
"""


def load(folder: Path, text: str):
    path = folder / "kq.yaml"
    path.write_text(text, encoding="utf-8")
    return load_workspace_config(path)


def test_the_csv_guides_file_is_read_as_it_is(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        config = load(tmp_path, CSV_GUIDE).config
    train = config.train
    assert train.data_path == Path("data/HK_ali_09988_kline_5min_all.csv")
    assert (train.lookback_window, train.predict_window, train.max_context, train.clip) == (512, 48, 512, 5.0)
    assert (train.train_ratio, train.val_ratio, train.test_ratio) == (0.9, 0.1, 0.0)
    assert (train.tokenizer_epochs, train.predictor_epochs) == (0, 20)
    assert (train.batch_size, train.workers, train.seed, train.log_every_steps) == (32, 6, 42, 50)
    assert (train.tokenizer_learning_rate, train.predictor_learning_rate) == (2e-4, 1e-6)
    assert (train.betas, train.weight_decay, train.accumulation_steps) == ((0.9, 0.95), 0.1, 1)
    assert (train.trackers, train.backend) == (("comet",), "gloo")
    assert config.model.base == "pretrained/Kronos-base"
    assert config.model.tokenizer == "pretrained/Kronos-Tokenizer-base"
    [warning] = caplog.messages
    assert warning.startswith("kq.yaml: not used: model_paths.exp_name, model_paths.base_path, experiment.name")


def test_the_qlib_guides_names_are_read_as_they_are(tmp_path):
    config = load(tmp_path, QLIB_GUIDE).config
    train = config.train
    assert train.universe == "csi300"
    assert (train.tokenizer_epochs, train.predictor_epochs) == (30, 30)
    assert (train.samples_per_epoch, train.validation_windows, train.log_every_steps) == (100_000, 20_000, 100)
    assert train.train_time_range == (date(2011, 1, 1), date(2022, 12, 31))
    assert train.test_time_range == (date(2024, 4, 1), date(2025, 6, 5))
    assert (config.model.base, config.model.tokenizer) == (
        "NeoQuasar/Kronos-small",
        "NeoQuasar/Kronos-Tokenizer-base",
    )


def test_a_moved_field_keeps_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "data:\n  lookback_window: 90\n  predict_window: 0\n")
    assert str(caught.value).endswith("kq.yaml:3: train.predict_window: must be greater than or equal to 1, found 0")
    rows = {name: origin for name, _, origin in load(tmp_path, "training:\n  seed: 3\n").rows()}
    assert rows["train.seed"] == "kq.yaml:2"


def test_a_field_of_two_sections_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"kq.yaml:4: training\.seed: given in train too"):
        load(tmp_path, "train:\n  seed: 1\ntraining:\n  seed: 2\n")


def test_an_unknown_field_of_a_guides_section_is_told_as_any_other(tmp_path):
    with pytest.raises(ConfigError, match=r"kq.yaml:2: train\.batchsize: no such field; did you mean batch_size\?"):
        load(tmp_path, "training:\n  batchsize: 1\n")


def test_starting_without_published_weights_and_leaving_out_a_phase(tmp_path):
    config = load(tmp_path, "experiment:\n  pre_trained: false\n  train_basemodel: false\n").config
    assert (config.model.base, config.train.predictor_epochs) == ("scratch", 0)
    assert load(tmp_path, "experiment:\n  pre_trained: true\n  use_comet: false\n").config == WorkspaceConfig()


def test_a_beta_that_is_not_given_keeps_its_default_and_two_ways_at_once_are_refused():
    assert TrainConfig.model_validate({"adam_beta1": 0.8}).betas == (0.8, 0.95)
    with pytest.raises(ValueError, match="betas: given twice"):
        TrainConfig.model_validate({"adam_beta1": 0.8, "betas": [0.9, 0.95]})
    with pytest.raises(ValueError, match="betas: must be from 0 to below 1"):
        TrainConfig.model_validate({"adam_beta1": 1.0})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"train_ratio": 0.8, "val_ratio": 0.1, "test_ratio": 0.2}, "must be at most 1, found 1.1"),
        ({"test_time_range": ["2020-01-01", "2020-02-01"]}, "test_time_range: needs train_time_range"),
    ],
)
def test_splits_that_cannot_be_are_refused(fields, told):
    with pytest.raises(ValueError, match=told):
        TrainConfig.model_validate(fields)


def test_the_guides_ratios_make_one_though_their_sum_is_not_exact():
    assert TrainConfig(train_ratio=0.7, val_ratio=0.2, test_ratio=0.1).test_ratio == 0.1
    assert TrainConfig(train_ratio=0.9, val_ratio=0.1).val_ratio == 0.1
