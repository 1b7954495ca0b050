"""The published guides' settings, in their own words."""

from datetime import date
from pathlib import Path

import pytest

from kronos_quant import ConfigError
from kronos_quant.config import TrainConfig, WorkspaceConfig, load_workspace_config
from kronos_quant.config.guides import BATCH_NOTE, TEMPERATURE_NOTE

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


# the whole of the first guide's config.py, name by name
CONFIG_PY = """\
qlib_data_path: "~/.qlib/qlib_data/cn_data"
dataset_path: ./data/processed_datasets
save_path: ./outputs/models
backtest_result_path: ./outputs/backtest_results
pretrained_tokenizer_path: NeoQuasar/Kronos-Tokenizer-base
pretrained_predictor_path: NeoQuasar/Kronos-small
instrument: csi300
dataset_begin_time: "2011-01-01"
dataset_end_time: "2025-06-05"
lookback_window: 90
predict_window: 10
max_context: 512
feature_list: [open, high, low, close, vol, amt]
time_feature_list: [minute, hour, weekday, day, month]
epochs: 30
batch_size: 50
tokenizer_learning_rate: 2e-4
predictor_learning_rate: 4e-5
train_time_range: ["2011-01-01", "2022-12-31"]
val_time_range: ["2022-09-01", "2024-06-30"]
test_time_range: ["2024-04-01", "2025-06-05"]
use_comet: true
comet_config: {project_name: Kronos-Finetune-Demo, workspace: mine}
accumulation_steps: 4
use_amp: true
warmup_steps: 300
n_symbol_hold: 50
"""


def load(folder: Path, text: str):
    path = folder / "kq.yaml"
    path.write_text(text, encoding="utf-8")
    return load_workspace_config(path)


def test_the_csv_guides_file_is_read_as_it_is(tmp_path):
    resolved = load(tmp_path, CSV_GUIDE)
    config, train = resolved.config, resolved.config.train
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
    unused, *others = resolved.notes
    assert unused.startswith("kq.yaml: not used: model_paths.exp_name, model_paths.base_path, experiment.name")
    assert others == [f"kq.yaml: {note}" for note in (BATCH_NOTE, TEMPERATURE_NOTE)]


def test_the_qlib_guides_names_are_read_as_they_are(tmp_path):
    config = load(tmp_path, QLIB_GUIDE).config
    train = config.train
    assert train.universe == "csi300"
    assert (train.tokenizer_epochs, train.predictor_epochs) == (30, 30)
    assert (train.samples_per_epoch, train.validation_windows, train.log_every_steps) == (100_000, 20_000, 100)
    assert train.train_time_range == (date(2011, 1, 1), date(2022, 12, 31))
    assert train.test_time_range == (date(2024, 4, 1), date(2025, 6, 5))
    assert (config.model.base, config.model.tokenizer) == ("NeoQuasar/Kronos-small", "NeoQuasar/Kronos-Tokenizer-base")


@pytest.mark.parametrize("indent", ["", "  "])
def test_the_first_guides_config_is_read_at_the_top_of_the_file_and_under_train(tmp_path, indent):
    lines = ["train:"] * bool(indent) + [indent + line for line in CONFIG_PY.splitlines()]
    resolved = load(tmp_path, "\n".join(lines))
    config, train = resolved.config, resolved.config.train
    assert config.market.qlib_dir == Path("~/.qlib/qlib_data/cn_data")
    assert (config.model.base, config.model.tokenizer) == ("NeoQuasar/Kronos-small", "NeoQuasar/Kronos-Tokenizer-base")
    assert "csi300" in (config.market.universe, train.universe)
    assert (train.dataset_begin_time, train.dataset_end_time) == (date(2011, 1, 1), date(2025, 6, 5))
    assert (train.trackers, train.precision, train.warm_up_steps) == (("comet",), "auto", 300)
    assert (train.comet.project_name, train.comet.workspace) == ("Kronos-Finetune-Demo", "mine")
    assert (train.tokenizer_epochs, train.predictor_epochs, train.predictor_learning_rate) == (30, 30, 4e-5)
    assert tuple(note.replace("train.", "") for note in resolved.notes) == tuple(
        f"kq.yaml: {note}"
        for note in (
            "not used: dataset_path, save_path, backtest_result_path",
            "n_symbol_hold: set topk in strategies/topk.yaml instead",
            BATCH_NOTE,
            TEMPERATURE_NOTE,
        )
    )
    origins = {one.name: one.origin for one in resolved.settings()}
    assert origins["train.precision"] == f"kq.yaml:{lines.index(indent + 'use_amp: true') + 1}"
    assert origins["market.qlib_dir"] == f"kq.yaml:{lines.index(indent + CONFIG_PY.splitlines()[0]) + 1}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("feature_list: [open, close]", "feature_list: the network's inputs are fixed; expected [open, high, low, "),
        ("feature_list: [close, high, low, open, vol, amt]", "expected [open, high, low, close, volume, amount] in"),
        ("time_feature_list: [hour]", "expected [minute, hour, weekday, day, month] in this order, found ['hour']"),
        ("comet_config: {api_key: abc}", "comet_config.api_key: a key must not be stored in a file; set COMET_API_KEY"),
        ("use_amp: maybe", "use_amp: must be true or false, found 'maybe'"),
        ("use_amp: true\n  precision: bf16", "precision: given twice, also as use_amp"),
        ("dataset_begin_time: 2020-01-02\n  dataset_end_time: 2020-01-01", "dataset_end_time: must be after"),
        (
            "dataset_end_time: 2020-01-01\n  train_time_range: [2020-02-01, 2020-03-01]"
            "\n  val_time_range: [2020-04-01, 2020-05-01]",
            "train_time_range: must lie within the dataset, found 2020-02-01 to 2020-03-01, outside",
        ),
    ],
)
def test_a_guides_setting_that_means_something_else_is_refused(tmp_path, line, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"train:\n  {line}\n")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_guides_switches_work_from_the_environment_and_in_python(tmp_path, monkeypatch):
    monkeypatch.setenv("KQ_TRAIN__USE_AMP", "false")
    assert load(tmp_path, "").config.train.precision == "float32"
    assert TrainConfig(use_comet=True, trackers=("mlflow",)).trackers == ("mlflow", "comet")
    assert TrainConfig(use_comet=False).trackers == ()


def test_a_file_in_our_own_names_has_no_notes(tmp_path):
    assert load(tmp_path, "train: {batch_size: 50, seed: 1}\n").notes == ()


def test_a_moved_field_keeps_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "data:\n  lookback_window: 90\n  predict_window: 0\n")
    assert str(caught.value).endswith("kq.yaml:3: train.predict_window: must be greater than or equal to 1, found 0")
    origins = {one.name: one.origin for one in load(tmp_path, "training:\n  seed: 3\n").settings()}
    assert origins["train.seed"] == "kq.yaml:2"


def test_a_field_of_two_sections_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"kq.yaml:4: training\.seed: given in train too"):
        load(tmp_path, "train:\n  seed: 1\ntraining:\n  seed: 2\n")


def test_an_unknown_field_of_a_guides_section_is_reported_as_any_other(tmp_path):
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
    with pytest.raises(ValueError, match=r"betas\.0\n.*should be less than 1"):
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
