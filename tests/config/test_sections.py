"""Fields of kq.yaml that depend on each other."""

import pytest

from kronos_quant import ConfigError
from kronos_quant.config import load_workspace_config


def read(tmp_path, text):
    (tmp_path / "kq.yaml").write_text(text)
    return load_workspace_config(tmp_path / "kq.yaml").config


def test_decoded_forecasts_reach_no_farther_than_the_windows(tmp_path):
    text = "train: {predict_window: 5, decoded_horizon: 6}\n"
    with pytest.raises(ConfigError, match=r"decoded_horizon: must be at most predict_window, found 6 with .* 5$"):
        read(tmp_path, text)
    assert read(tmp_path, text.replace("6", "5")).train.decoded_horizon == 5


def test_an_unknown_figure_to_choose_by_is_told_with_those_there_are(tmp_path):
    with pytest.raises(
        ConfigError, match=r"kq.yaml:1: train.choose_by: must be 'token_loss', 'mae', .* found 'sharpe'"
    ):
        read(tmp_path, "train: {choose_by: sharpe}\n")


@pytest.mark.parametrize(
    ("written", "shown"),
    [("full", "full"), ("{last_layers: 2}", "last_layers 2"), ("{lora: 8}", "lora 8"), ("{}", "full")],
)
def test_what_learns_is_written_in_one_of_three_ways_and_reads_back(tmp_path, written, shown):
    found = read(tmp_path, f"train: {{adapt: {written}}}\n").train
    assert str(found.adapt) == shown
    assert type(found).model_validate(found.model_dump(mode="json")).adapt == found.adapt


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("half", r"train.adapt: expected full, {last_layers: N} or {lora: RANK}, found 'half'"),
        ("{lora: 8, last_layers: 2}", "train.adapt: expected one of last_layers and lora, found both"),
        ("{lora: 0}", r"train.adapt.lora: must be greater than or equal to 1, found 0"),
        ("{lorra: 8}", r"train.adapt.lorra: no such field; did you mean lora\?"),
    ],
)
def test_another_way_of_adapting_is_told_with_those_there_are(tmp_path, written, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f"train: {{adapt: {written}}}\n")
