"""Everything a user can get wrong: one clear line, the code of its class, nothing half-written."""

import errno
import os
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kronos_quant.model import PRESETS, KronosTokenizer
from kronos_quant.runs import finished_runs
from kronos_quant.training import BEST

GOOD_CSV = "timestamps,open,high,low,close,volume\n2025-06-03,10,11,9,10,100\n2025-06-04,10,11,9,10,100\n"


@pytest.fixture
def refused(kq, contents):
    """A function that runs a command which must be refused without leaving or changing a file."""

    def run(folder, *arguments):
        before = contents(folder)
        done = kq(folder, *arguments)
        assert contents(folder) == before
        return done.refusal()

    return run


@pytest.fixture
def short_strategy(trained_workspace):
    """strategies/short.yaml, which needs the signals of two sessions only."""
    lines = "topk: 4\nn_drop: 1\nstart: 2025-06-03\naccount: 1_000_000\n"
    (trained_workspace.root / "strategies" / "short.yaml").write_text(lines)


def full_disk(*arguments, **settings):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_unknown_symbol(refused, trained_workspace):
    code, error, hint = refused(trained_workspace.root, "forecast", "MADE001")
    assert (code, error) == (3, "unknown symbol 'MADE001': not among the 13 in the market")
    assert "MADE0001" in hint


def test_a_date_that_is_no_session_names_its_neighbours(refused, trained_workspace):
    code, error, _ = refused(trained_workspace.root, "signal", "--date", "2025-01-01")
    assert (code, error) == (3, "2025-01-01 is not a session: the nearest are 2024-12-31 and 2025-01-02")


def test_a_date_after_the_data(refused, trained_workspace):
    code, error, hint = refused(trained_workspace.root, "signal", "--date", "2031-06-05")
    assert (code, error) == (3, "2031-06-05 is after the data, which end on 2025-06-05")
    assert hint == "Ingest newer bars."


def test_a_range_that_ends_before_it_starts(refused, trained_workspace):
    code, error, hint = refused(trained_workspace.root, "signal", "--start", "2025-06-05", "--end", "2025-06-03")
    assert (code, error) == (2, "start 2025-06-05 is after end 2025-06-03")
    assert hint == "Swap them: start 2025-06-03, end 2025-06-05."


def test_an_empty_directory(refused, market_workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    code, error, hint = refused(market_workspace.root, "ingest", "qlib", str(tmp_path / "empty"))
    assert code == 3
    assert "not a Qlib directory: expected calendars/ and features/, found nothing" in error
    assert "kq ingest qlib" in hint


def test_a_directory_that_is_not_there(refused, market_workspace, tmp_path):
    code, error, _ = refused(market_workspace.root, "ingest", "qlib", str(tmp_path / "nowhere"))
    assert code == 3
    assert ": no such directory" in error


def test_a_truncated_bin_file(refused, market_workspace, tmp_path):
    folder = tmp_path / "qlib"
    (folder / "calendars").mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("2025-06-03\n2025-06-04\n2025-06-05\n")
    (folder / "features" / "sh600000").mkdir(parents=True)
    for field in ("open", "high", "low", "close", "volume", "factor"):
        target = folder / "features" / "sh600000" / f"{field}.day.bin"
        np.array([0, 10, 10, 10], dtype="<f4").tofile(target)
    os.truncate(target.with_name("close.day.bin"), 14)
    code, error, _ = refused(market_workspace.root, "ingest", "qlib", str(folder))
    assert code == 3
    assert "close.day.bin" in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD_CSV.replace(",close,", ",shut,"), "missing close"),
        (GOOD_CSV.replace("2025-06-04,10,", "2025-06-04,ten,"), "line 3: column open: expected a number, found 'ten'"),
        ("", "empty"),
    ],
)
def test_a_csv_file_without_a_column_or_with_text_in_a_price(refused, market_workspace, tmp_path, text, words):
    (tmp_path / "AAA.csv").write_text(text)
    code, error, _ = refused(market_workspace.root, "ingest", "csv", str(tmp_path / "AAA.csv"))
    assert code == 3
    assert "AAA.csv" in error
    assert words in error


def test_a_typo_in_a_strategy(refused, trained_workspace):
    (trained_workspace.root / "strategies" / "typo.yaml").write_text("topk: 4\nn_dorp: 1\n")
    code, error, _ = refused(trained_workspace.root, "backtest", "strategies/typo.yaml")
    assert code == 2
    assert error.endswith("strategies/typo.yaml:2: n_dorp: no such field; did you mean n_drop?")


def test_several_mistakes_in_kq_yaml_are_told_at_once(refused, trained_workspace):
    path = trained_workspace.root / "kq.yaml"
    path.write_text("trian: {}\ntrain:\n  clip: -1\n")
    code, error, _ = refused(trained_workspace.root, "config", "show")
    assert code == 2
    assert error.splitlines() == [
        f"{path}:3: train.clip: must be greater than 0, found -1",
        f"{path}:1: trian: no such field; did you mean train?",
    ]


def test_a_strategy_that_is_not_there_and_one_whose_recipe_is_not(refused, trained_workspace):
    code, error, hint = refused(trained_workspace.root, "backtest", "nowhere")
    assert code == 2
    assert error.endswith("strategies/nowhere.yaml: no such file")
    assert hint == "Available: buy_and_hold, long_short, qlib, rebalance, topk."
    (trained_workspace.root / "strategies" / "other.yaml").write_text("topk: 4\nn_drop: 1\nsignal: nowhere\n")
    code, error, hint = refused(trained_workspace.root, "backtest", "other")
    assert code == 2
    assert error.endswith("signals/nowhere.yaml: no such file")
    assert hint == "Available: default."


def test_a_checkpoint_whose_tokenizer_does_not_fit(refused, trained_workspace):
    [run] = finished_runs(trained_workspace.runs, "train")
    model = trained_workspace.models / "misfit"
    shutil.copytree(run.path / BEST, model)
    config = PRESETS["nano"].tokenizer
    shutil.rmtree(model / "tokenizer")
    KronosTokenizer(replace(config, s1_bits=config.s1_bits - 1)).save_pretrained(model / "tokenizer")
    (trained_workspace.root / "signals" / "misfit.yaml").write_text("model: misfit\n")
    code, error, hint = refused(trained_workspace.root, "signal", "--recipe", "misfit")
    assert code == 4
    assert error.startswith("the tokenizer does not fit the predictor: expected s1_bits + s2_bits = ")
    assert hint == "use the tokenizer that the predictor was trained with"


@pytest.mark.parametrize("arguments", [("signal",), ("backtest", "topk"), ("forecast", "MADE0001")])
def test_without_a_trained_model(refused, market_workspace, arguments):
    code, error, hint = refused(market_workspace.root, *arguments)
    assert code == 4
    assert "no trained model yet" in error
    assert hint.startswith("Run kq train")


def test_base_weights_that_are_not_to_be_had(refused, market_workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("KQ_MODEL__BASE", "NeoQuasar/Kronos-small")
    code, error, hint = refused(market_workspace.root, "train")
    assert code == 4
    assert error.startswith("NeoQuasar/Kronos-small: not in ")
    assert hint.endswith("model: {base: scratch, preset: nano}")


def test_more_gpus_than_the_machine_has(refused, market_workspace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, error, hint = refused(market_workspace.root, "train", "--gpus", "4")
    assert (code, error) == (2, "--gpus 4: this machine has 0 GPUs")
    assert hint == "kq train --gpus 0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "show"),
        ("ingest", "qlib"),
        ("ingest", "csv", "x.csv"),
        ("ingest", "synthetic"),
        ("train",),
        ("signal",),
        ("forecast", "AAA"),
        ("backtest", "topk"),
    ],
)
def test_outside_a_workspace(refused, tmp_path, arguments):
    code, error, hint = refused(tmp_path, *arguments)
    assert (code, error) == (2, f"{tmp_path}: not in a workspace: no kq.yaml here or above")
    assert hint == "kq init my-research && cd my-research"


@pytest.mark.parametrize("arguments", [("train",), ("signal",), ("forecast", "AAA"), ("backtest", "topk")])
def test_a_workspace_without_bars(refused, kq, tmp_path, arguments):
    kq(tmp_path, "init")
    code, error, hint = refused(tmp_path, *arguments)
    assert (code, error) == (3, f"{tmp_path}: no bars have been ingested")
    assert hint == "kq ingest qlib"


def test_signals_that_may_not_be_computed(refused, trained_workspace):
    code, error, hint = refused(trained_workspace.root, "backtest", "topk", "--no-compute")
    assert code == 3
    assert "28 of 28 sessions" in error
    assert hint.startswith("kq signal --recipe default --start 2025-04-25 --end 2025-06-04")


@pytest.mark.parametrize(
    ("arguments", "write"),
    [
        (("signal",), "pyarrow.parquet.write_table"),
        (("forecast", "MADE0001"), "kronos_quant.workflows.forecast.forecast_png"),
        (("backtest", "short"), "kronos_quant.workflows.backtest.performance_png"),
        (("train", "--gpus", "0"), "kronos_quant.workflows.train.fit"),
    ],
)
def test_a_full_disk(kq, contents, trained_workspace, short_strategy, monkeypatch, arguments, write):
    def runs():
        # a trial whose report could not be written was a trial all the same: the ledger keeps it
        names = contents(trained_workspace.root / "runs").items()
        return {name: content for name, content in names if not name.startswith("trials/")}

    before = runs()
    monkeypatch.setattr(write, full_disk)
    code, error, hint = kq(trained_workspace.root, *arguments).refusal()
    assert code == 1
    assert error.endswith("cannot write: no space left on the disk")
    assert hint == "free space or choose another folder"
    assert runs() == before
    assert not [name for name in contents(trained_workspace.root) if ".partial-" in name]


def test_a_full_disk_in_an_ingest_publishes_nothing_and_the_next_one_does(kq, market_workspace, tmp_path, monkeypatch):
    current = market_workspace.root / "db" / "snapshots" / "CURRENT"
    before = current.read_text()
    source = tmp_path / "AAA.csv"
    source.write_text(GOOD_CSV)
    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", full_disk)
        code, error, _ = kq(market_workspace.root, "ingest", "csv", str(source)).refusal()
    assert code == 1
    assert error.endswith("no space left on the disk")
    assert current.read_text() == before
    assert [path.name for path in current.parent.iterdir() if path.name.startswith(".")] == []
    assert kq(market_workspace.root, "ingest", "csv", str(source)).code == 0
    assert current.read_text() != before


def test_a_full_disk_in_an_init(kq, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", full_disk)
        code, error, _ = kq(tmp_path, "init").refusal()
    assert (code, error) == (1, "kq.yaml: cannot write: no space left on the disk")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "inside"),
    [
        (("signal",), "kronos_quant.signals.source.generate"),
        (("backtest", "short"), "kronos_quant.workflows.backtest.simulate"),
        (("train", "--gpus", "0"), "kronos_quant.workflows.train.fit"),
        (("ingest", "synthetic"), "kronos_quant.market.ingest_synthetic"),
    ],
)
def test_ctrl_c_in_the_middle(kq, contents, trained_workspace, short_strategy, monkeypatch, arguments, inside):
    def interrupt(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(inside, interrupt)
    before = contents(trained_workspace.root / "runs")
    done = kq(trained_workspace.root, *arguments)
    assert (done.code, done.out) == (130, "")
    assert done.err.strip().splitlines()[0] == "error: interrupted"
    assert contents(trained_workspace.root / "runs") == before


def test_init_where_a_file_is(refused, tmp_path):
    (tmp_path / "kq.yaml").write_text("")
    code, error, _ = refused(tmp_path, "init", "kq.yaml")
    assert (code, error) == (2, "kq.yaml: is a file, expected a folder")


@pytest.mark.parametrize("command", [("backtest", "topk"), ("sweep", "topk", "--grid", "topk=2"), ("parity", "topk")])
def test_a_device_that_is_none_is_refused_first(refused, market_workspace, command):
    code, error, _ = refused(market_workspace.root, *command, "--device", "foo")
    assert (code, error) == (2, "device: expected auto, cpu, cuda, cuda:N or mps, got 'foo'")
