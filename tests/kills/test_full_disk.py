"""A disk that is full from some event on: one clear line, nothing half-written, and the same command works again."""

from __future__ import annotations

import shutil

import pytest

CSV = ("ingest", "csv", "bars.csv", "--exchange", "XNYS")


@pytest.mark.slow
def test_an_ingest(bench, ingested):
    assert bench(ingested).full(*CSV) == []


@pytest.mark.slow
def test_a_first_ingest_and_a_new_workspace(bench, ingested, tmp_path):
    def before(folder):
        shutil.copy(ingested / "kq.yaml", folder)
        shutil.copy(ingested / "bars.csv", folder)

    assert bench(tmp_path / "none", before).full(*CSV) == []
    assert bench(tmp_path / "none").full("init", ".") == []


@pytest.mark.slow
def test_exports_pages_lists_and_pruning(bench, ingested):
    made = bench(ingested)
    for out, form in (("out.parquet", "parquet"), ("out.csv", "csv"), ("folder", "csv"), ("qlib", "qlib")):
        assert made.full("export", "bars", out, "--format", form) == []
    assert made.full("check", "--html", "quality.html") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--no-zero-shot"),
        ("backtest", "strategies/topk.yaml"),
        ("sweep", "strategies/topk.yaml", "--grid", "topk=2,3"),
        ("signal", "import", "scores.csv", "--name", "mine"),
        ("forecast", "MADE0001"),
    ],
)
def test_what_needs_a_model(bench, kq_models, scored, arguments):
    assert bench(scored, kq=kq_models).full(*arguments) == []


@pytest.mark.slow
def test_a_training(bench, kq_models, market_folder):
    assert bench(market_folder, kq=kq_models).full("train", "--gpus", 0, most=15) == []
