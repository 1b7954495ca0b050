from pathlib import Path

import pytest

from kronos_quant import ConfigError
from kronos_quant.config import TrainConfig, WorkspaceConfig, describe, load_workspace_config, load_yaml, read_values


def write(folder: Path, text: str) -> Path:
    path = folder / "kq.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, **flags: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_workspace_config(path, flags or None)
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def origin(path: Path, field: str, flags: dict[str, object] | None = None) -> tuple[object, str]:
    rows = {one.name: (one.value, one.origin) for one in load_workspace_config(path, flags).settings()}
    return rows[field]


def test_an_empty_file_is_all_defaults(tmp_path):
    resolved = load_workspace_config(write(tmp_path, ""))
    assert resolved.config == WorkspaceConfig()
    assert {one.origin for one in resolved.settings()} == {"default", "preset fine-tuning"}


def test_flag_wins_over_environment_over_file_over_default(tmp_path, monkeypatch):
    path = write(tmp_path, "market:\n  universe: csi300\ntrain:\n  batch_size: 8\n  seed: 1\n")
    assert origin(path, "train.batch_size") == (8, "kq.yaml:4")
    monkeypatch.setenv("KQ_TRAIN__BATCH_SIZE", "16")
    assert origin(path, "train.batch_size") == (16, "KQ_TRAIN__BATCH_SIZE")
    assert origin(path, "train.batch_size", {"train.batch_size": 32}) == (32, "flag")
    assert origin(path, "train.seed", {"train.seed": None}) == (1, "kq.yaml:5")
    assert origin(path, "train.clip") == (5.0, "default")


def test_a_null_is_shown_as_what_the_preset_makes_of_it_beside_its_default_and_meaning(tmp_path):
    text = "model: {base: scratch}\ntrain:\n  predictor_epochs: 7\n  head: {epochs: 2}\n"
    settings = {one.name: one for one in load_workspace_config(write(tmp_path, text)).settings()}
    shown = {name: (settings[name].value, settings[name].default, settings[name].origin) for name in (
        "train.tokenizer_epochs", "train.predictor_epochs", "train.head.epochs", "train.head.dates", "train.patience"
    )}  # fmt: skip
    assert shown == {
        "train.tokenizer_epochs": (4, 4, "preset nano"),
        "train.predictor_epochs": (7, 6, "kq.yaml:3"),
        "train.head.epochs": (2, 0, "kq.yaml:4"),
        "train.head.dates": (400, 400, "default"),
        "train.patience": (3, 3, "default"),
    }


def test_every_setting_has_a_meaning_that_stands_alone():
    for one in describe(WorkspaceConfig(), WorkspaceConfig()):
        assert len(one.meaning.split()) >= 2
        assert not one.meaning.startswith(("of ", "a year", "the same", "besides"))
        assert one.value is not None or "null:" in one.meaning


def test_the_guides_name_for_epochs_is_an_alias(tmp_path):
    path = write(tmp_path, "train:\n  basemodel_epochs: 20\n  tokenizer_epochs: 30\n")
    assert origin(path, "train.predictor_epochs") == (20, "kq.yaml:2")
    assert load_workspace_config(path).config.train.tokenizer_epochs == 30


def test_every_problem_is_reported_at_once_with_file_line_field_expected_and_found(tmp_path):
    path = write(tmp_path, "market:\n  exchnge: XNYS\ntrain:\n  batch_size: 0\n  seed: many\n  colour: red\n")
    told = problems(path)
    assert told[0] == "kq.yaml:2: market.exchnge: no such field; did you mean exchange?"
    assert told[1] == "kq.yaml:4: train.batch_size: must be greater than or equal to 1, found 0"
    assert told[2] == "kq.yaml:5: train.seed: must be an integer, found 'many'"
    assert told[3] == "kq.yaml:6: train.colour: no such field; nearest names: dropout, clip, choose_by"
    assert len(told) == 4


def test_of_a_short_section_all_fields_are_named_after_an_unknown_one(tmp_path):
    assert problems(write(tmp_path, "gates: {colour: red}\n")) == [
        "kq.yaml:1: gates.colour: no such field; expected max_rejected_share or rules"
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainConfig(seed=-1), "train: seed: must be greater than or equal to 0, found -1"),
        (lambda: TrainConfig(batchsize=1), "train: batchsize: no such field; did you mean batch_size?"),
        (
            lambda: WorkspaceConfig(train={"head": {"epoch": 1}}),
            "workspace: train.head.epoch: no such field; did you mean epochs?",
        ),
        (lambda: read_values(TrainConfig, {"seed": "x"}, "kq.train"), "kq.train: seed: must be an integer, found 'x'"),
    ],
)
def test_a_model_made_in_python_raises_one_clear_line(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_renamed_setting_is_read_under_both_names_and_dumped_under_either(tmp_path):
    assert load_workspace_config(write(tmp_path, "train: {max_missing: 3}\n")).config.train.max_missing_bars == 3
    assert origin(write(tmp_path, "train: {max_missing: 3}\n"), "train.max_missing_bars") == (3, "kq.yaml:1")
    assert TrainConfig(max_missing_bars=3).model_dump(by_alias=True)["max_missing"] == 3


def test_an_unknown_section_is_told_with_its_line(tmp_path):
    assert problems(write(tmp_path, "trian:\n  seed: 1\n")) == ["kq.yaml:1: trian: no such field; did you mean train?"]


def test_a_wrong_environment_variable_is_named_instead_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("KQ_TRAIN__SEED", "-1")
    assert problems(write(tmp_path, "")) == [
        "KQ_TRAIN__SEED: train.seed: must be greater than or equal to 0, found '-1'"
    ]


def test_an_environment_variable_of_no_section_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KQ_TRIAN__SEED", "1")
    assert problems(write(tmp_path, "")) == [
        "environment: KQ_TRIAN__SEED: expected GATES, MARKET, MODEL or TRAIN after KQ_"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train: [1, 2\n", "kq.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("train:\n  seed: 1\n  seed: 2\n", "kq.yaml:3: seed: given twice, first on line 2"),
        ("just words\n", "kq.yaml:1: expected sections (market, model, train, gates), found str"),
    ],
)
def test_broken_yaml_is_told_with_its_line(tmp_path, text, told):
    assert problems(write(tmp_path, text)) == [told]


def test_a_missing_file_names_its_neighbours(tmp_path):
    (tmp_path / "topk.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"nope\.yaml: no such file") as caught:
        load_yaml(WorkspaceConfig, tmp_path / "nope.yaml")
    assert caught.value.hint == "Available: topk."


def test_bytes_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "kq.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as UTF-8 text" in problems(tmp_path / "kq.yaml")[0]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"train_ratio": 0.9, "val_ratio": 0.2}, "train_ratio + val_ratio must be at most 1, found 1.1"),
        ({"train_time_range": ["2020-01-01", "2020-12-31"]}, "go together: give both or neither"),
        (
            {"train_time_range": ["2021-01-01", "2020-12-31"], "val_time_range": ["2022-01-01", "2022-12-31"]},
            "train_time_range: must start before it ends",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, told):
    with pytest.raises(ValueError, match=told.replace("+", r"\+")):
        TrainConfig.model_validate(fields)
