"""The same command twice at once: no traceback, no lost work, one clear line where one has to wait or give up."""

from __future__ import annotations

import shutil

import pytest
from killing import contents, leftovers

CSV = ("ingest", "csv", "bars.csv", "--exchange", "XNYS")


def clear_line(outcome):
    """Whether a command ended well, or with one clear line."""
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    return outcome.code == 0 or (outcome.code in (1, 2, 3) and len(lines) == 1 and "Traceback" not in outcome.err)


def both(made, first, second=None, rounds=1):
    """Run two commands at once, some times; the outcomes of the last time. Each ends well or with a clear line."""
    for _ in range(rounds):
        outcomes = made.kq.together(made.fresh(), first, second or first)
        for outcome in outcomes:
            assert clear_line(outcome), outcome.err
        assert any(outcome.code == 0 for outcome in outcomes), outcomes
        assert made.left() == []
    return outcomes


@pytest.mark.slow
def test_two_ingests(bench, ingested):
    made = bench(ingested)
    _, expected = made.undisturbed(*CSV)
    assert [one.code for one in both(made, CSV)] == [0, 0]
    assert contents(made.place) == expected


def test_two_new_workspaces(bench, tmp_path):
    made = bench(tmp_path / "none")
    _, expected = made.undisturbed("init", ".")
    assert [one.code for one in both(made, ("init", "."), rounds=3)] == [0, 0]
    assert contents(made.place) == expected


def test_two_exports(bench, ingested):
    made = bench(ingested)
    for form in ("parquet", "qlib"):  # a file and a folder
        arguments = ("export", "bars", "out", "--format", form)
        _, expected = made.undisturbed(*arguments)
        both(made, arguments, rounds=3)
        assert contents(made.place) == expected


@pytest.mark.slow
def test_an_ingest_a_reader_and_two_prunings(bench, ingested):
    made = bench(ingested)
    both(made, CSV, ("check", "--html", "quality.html"), rounds=3)
    both(made, CSV, ("snapshot", "prune", "--keep", 1), rounds=3)
    both(made, ("snapshot", "prune", "--keep", 1), rounds=3)


@pytest.mark.slow
def test_a_model_added_twice(bench, kq_models, trained_folder):
    [run] = (trained_folder / "runs" / "train").glob("[0-9]*")
    made = bench(trained_folder, kq=kq_models)
    arguments = ("model", "add", run / "checkpoints" / "best", "--name", "mine")
    assert [one.code for one in both(made, arguments, rounds=5)] == [0, 0]
    both(made, arguments, ("model", "add", run / "checkpoints" / "best" / "tokenizer", "--name", "mine"), rounds=5)


@pytest.mark.slow
def test_signals_twice_and_with_an_ingest(bench, kq_models, scored):
    def without_signals(folder):
        shutil.rmtree(folder / "signals" / "store")

    made = bench(scored, without_signals, kq_models)
    arguments = ("signal", "--start", "2024-06-01", "--gpus", 0)
    _, expected = made.undisturbed(*arguments)
    assert [one.code for one in both(made, arguments)] == [0, 0]
    found = contents(made.place)
    assert {name: digest for name, digest in found.items() if name.startswith("signals")} == {
        name: digest for name, digest in expected.items() if name.startswith("signals")
    }
    both(made, arguments, ("snapshot", "prune", "--keep", 1))


@pytest.mark.slow
def test_trainings_sweeps_and_back_tests_twice(bench, kq_models, scored):
    made = bench(scored, kq=kq_models)
    both(made, ("train", "--gpus", 0, "--fresh"))
    both(made, ("train", "--gpus", 0))
    both(made, ("sweep", "strategies/topk.yaml", "--grid", "topk=2,3"), rounds=2)
    both(made, ("backtest", "strategies/topk.yaml"), rounds=2)
    assert leftovers(made.place) == []
    both(made, ("signal", "import", "scores.csv", "--name", "mine"), rounds=3)
    both(made, ("evaluate", "--no-zero-shot"), ("backtest", "strategies/topk.yaml"))
