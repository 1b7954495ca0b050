"""Hostile YAML and environments: each ends in its plain values, or in one clear line."""

import os

import pytest

from kronos_quant import ConfigError
from kronos_quant.backtest.sweep import parse_grid
from kronos_quant.config import WorkspaceConfig, load_workspace_config, load_yaml, parse_yaml

BOMB = "a: &a [x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "aliases that hold a billion values": (BOMB, ":2: the alias *a is not read"),
    "a mapping inside itself": ("&a {x: *a}", ":1: the alias *a is not read"),
    "a merge key": ("<<: {topk: 1}", ":1: the merge key << is not read"),
    "a list as key": ("x: 1\n? [a, b]\n: 1", ":2: expected a name before the colon, found a list"),
    "a mapping as key": ("{{a: 1}: 2}", ":1: expected a name before the colon, found a mapping"),
    "NUL": ("a: 1\nb: x\0y", ":2: the character '\\x00' is not allowed in YAML"),
    "an escape character": ("a: \x1b[31m", ":1: the character '\\x1b' is not allowed in YAML"),
    "5,000 brackets": ("[" * 5000, ":1: more than 50 levels inside each other"),
    "5,000 braces": ("{a: " * 5000, ":1: more than 50 levels inside each other"),
    "5,000 dashes": ("- " * 5000 + "x", ":1: more than 50 levels inside each other"),
    "an object of Python": ("!!python/object/apply:os.system ['true']", ":1: the tag 'tag:yaml.org,2002:python/object"),
    "bytes": ("a: !!binary eA==", ":1: the tag 'tag:yaml.org,2002:binary' is not read"),
    "a tag of one's own": ("a: !secret x", ":1: the tag '!secret' is not read"),
    "a tag that does not fit": ("a: !!int x", ":1: expected a whole number, found 'x'"),
    "a key given twice": ("a: 1\n'a': 2", ":2: a: given twice, first on line 1"),
    "an octal number": ("a: 0100", ":1: '0100' is not read: write a number without leading zeros, or a text in quotes"),
    "5,000 digits": ("a: " + "1" * 5000, ":1: expected a whole number, found '1111"),
    "two documents": ("a: 1\n---\nb: 2", ":2: not valid YAML: but found another document"),
    "an open quote": ("a: 'x\nb: 1", ":2: not valid YAML: found unexpected end of stream"),
    "a tab": ("a:\n\tb: 1", ":2: not valid YAML: found character '\\t' that cannot start any token"),
    "too long": ("a: " + "x" * 1_000_000, ": expected at most 1,000,000 characters, found 1,000,003"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_of_yaml_is_not_read_is_refused_with_its_line(case):
    text, told = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "kq.yaml")
    assert str(caught.value).startswith(f"kq.yaml{told}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lots: {000001: 100, NO: 5, 010: 1}", {"lots": {"000001": 100, "NO": 5, "010": 1}}),
        ("a: 11:30", {"a": "11:30"}),
        ("a: 1:30.5", {"a": "1:30.5"}),
        ("a: 2025-13-45", {"a": "2025-13-45"}),
        ("a: no", {"a": False}),
        ("a: &x 1", {"a": 1}),
        ("a: 0", {"a": 0}),
        ("a: -0.5", {"a": -0.5}),
        ("\ufeffa: 1", {"a": 1}),
        ("", None),
        ("# only a comment\n", None),
    ],
)
def test_what_is_read_means_what_it_says(text, value):
    assert parse_yaml(text, "kq.yaml")[0] == value


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfea\x00:\x00", "cannot be read as UTF-8 text"),
        ("market: {universe: caf\xe9}".encode("latin-1"), "cannot be read as UTF-8 text"),
        (b"42", ":1: expected sections (market, model, train, gates), found int"),
        (b"- a", ":1: expected sections (market, model, train, gates), found list"),
        (b"market: {exchange: no}", ":1: market.exchange: must be a text, found False"),
        (b"train: {seed: .inf}", ":1: train.seed: must be a finite number, found inf"),
        (b"train: {clip: .nan}", ":1: train.clip: must be a finite number, found nan"),
        (b"train: {batch_size: 1_0e1}", ":1: train.batch_size: must be an integer, found '1_0e1'"),
        (b"train: {dataset_begin_time: 0}", ":1: train.dataset_begin_time: must be a date such as 2025-06-05, found 0"),
        (
            b"train: {train_time_range: [2025-01-01, 1]}",
            ":1: train.train_time_range.1: must be a date such as 2025-06-05, found 1",
        ),
        (
            b"train: {dataset_end_time: 2025-02-30}",
            ":1: train.dataset_end_time: must be a date such as 2025-06-05, found",
        ),
        (b"train: {embargo: 0x}", ":1: train.embargo: must be an integer, found '0x'"),
        (b'"a\\nb": 1', ":1: 'a\\nb': no such field"),
        (b'"\\e[31mred": 1', ":1: '\\x1b[31mred': no such field"),
        (("x" * 900 + ": 1").encode(), ":1: 'xxx"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content, told):
    path = tmp_path / "kq.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_workspace_config(path)
    line = str(caught.value).removeprefix(str(path))
    assert told in line
    assert line.isprintable()
    assert len(line) < 300


ENVIRONMENT = {
    "cut JSON": ({"KQ_TRAIN": '{"seed": 5'}, "environment: KQ_TRAIN:1: not valid YAML"),
    "no JSON": ({"KQ_TRAIN": "junk"}, "environment: KQ_TRAIN: expected fields of the section, found 'junk'"),
    "a list": ({"KQ_TRAIN": "[1]"}, "environment: KQ_TRAIN: expected fields of the section, found [1]"),
    "a field twice": ({"KQ_TRAIN": '{"seed": 5, "seed": 6}'}, "environment: KQ_TRAIN:1: seed: given twice"),
    "brackets": ({"KQ_GATES__RULES": "{" * 5000}, "environment: KQ_GATES__RULES:1: more than 50 levels"),
    "no section": ({"KQ_X__SEED": "1"}, "environment: KQ_X__SEED: expected GATES, MARKET, MODEL or TRAIN after KQ_"),
    "no field": ({"KQ_TRAIN__X": "1"}, "KQ_TRAIN__X: train.x: no such field"),
    "an empty field": ({"KQ_TRAIN__": "1"}, "KQ_TRAIN__: train.: no such field"),
    "a megabyte": ({"KQ_TRAIN__SEED": "9" * 10**5}, "KQ_TRAIN__SEED: train.seed: "),
    "no number": ({"KQ_TRAIN__SEED": "\x1b[31m"}, "KQ_TRAIN__SEED: train.seed: must be an integer, found '\\x1b[31m'"),
    "no UTF-8": (
        {"KQ_MARKET__UNIVERSE": os.fsdecode(b"\xff")},
        "environment: KQ_MARKET__UNIVERSE: expected UTF-8 text",
    ),
    "a number in a section": ({"KQ_TRAIN__HEAD": "5"}, "KQ_TRAIN__HEAD: train.head: "),
    "two levels too deep": ({"KQ_TRAIN__SEED__A": "1"}, "KQ_TRAIN__SEED: train.seed: must be an integer"),
}


@pytest.mark.parametrize("case", ENVIRONMENT)
def test_junk_in_a_variable_is_named_in_one_line(tmp_path, monkeypatch, case):
    variables, told = ENVIRONMENT[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "kq.yaml").write_text("")
    with pytest.raises(ConfigError) as caught:
        load_workspace_config(tmp_path / "kq.yaml")
    assert told in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_section_and_its_fields_may_stand_in_variables_together(tmp_path, monkeypatch):
    monkeypatch.setenv("KQ_TRAIN", '{"seed": 5, "head": {"epochs": 1}}')
    monkeypatch.setenv("KQ_TRAIN__HEAD__DATES", "30")
    monkeypatch.setenv("kq_train__clip", "4")
    monkeypatch.setenv("KQ_GATES__RULES", "{price_jump: 3}")
    (tmp_path / "kq.yaml").write_text("train: {seed: 1, embargo: 2}\n")
    config = load_workspace_config(tmp_path / "kq.yaml").config
    assert (config.train.seed, config.train.embargo, config.train.clip) == (5, 2, 4.0)
    assert (config.train.head.epochs, config.train.head.dates, config.gates.rules) == (1, 30, {"price_jump": 3})


def test_a_variable_that_nothing_reads_is_said(tmp_path, monkeypatch):
    (tmp_path / "kq.yaml").write_text("")
    assert load_workspace_config(tmp_path / "kq.yaml").notes == ()
    monkeypatch.setenv("KQ_TRAIN_SEED", "5")
    [note] = load_workspace_config(tmp_path / "kq.yaml").notes
    assert note.startswith("environment: KQ_TRAIN_SEED is not read: a setting has two underscores, as in KQ_")


@pytest.mark.parametrize(
    "text", [BOMB, "&a {x: *a}", "[" * 5000, "{}", "\0", "0100", "!!python/name:os.system", "1" * 5000]
)
def test_a_grid_takes_plain_values_only(text):
    with pytest.raises(
        ConfigError, match=r"^--grid: expected a field and values like topk=20,50,100, found "
    ) as caught:
        parse_grid([f"topk={text}"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_yaml_file_of_another_model_is_read_by_the_same_rules(tmp_path):
    (tmp_path / "a.yaml").write_text("&a {x: *a}")
    with pytest.raises(ConfigError, match=r"a\.yaml:1: the alias \*a is not read"):
        load_yaml(WorkspaceConfig, tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["D:/data", r"D:\data", r"'D:\data\new'", r'"D:\\data"'])
def test_paths_of_windows_are_read_as_written(tmp_path, text):
    (tmp_path / "kq.yaml").write_text(f"market: {{qlib_dir: {text}}}\n")
    found = str(load_workspace_config(tmp_path / "kq.yaml").config.market.qlib_dir)
    assert found.replace("\\", "/").startswith("D:/data")


@pytest.mark.parametrize("text", [r'"D:\data"', r'"C:\new\table"', r'"D:\x"'])
def test_a_backslash_in_double_quotes_is_said(tmp_path, text):
    (tmp_path / "kq.yaml").write_text(f"market: {{qlib_dir: {text}}}\n")
    with pytest.raises(ConfigError, match=r"kq\.yaml:1: ") as caught:
        load_workspace_config(tmp_path / "kq.yaml")
    assert "single quotes" in f"{caught.value} {caught.value.hint}"
    assert str(caught.value).isprintable()
