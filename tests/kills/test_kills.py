"""kill -9 at every event of the file system: repeated, a command leaves what an undisturbed one leaves, and no more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from killing import Kq, sessions, write_csv

CSV = ("ingest", "csv", "bars.csv", "--exchange", "XNYS")


def several_snapshots(folder: Path) -> None:
    """Three snapshots instead of one."""
    from kronos_quant.market import ingest_csv

    for factor in (1.001, 1.002):
        write_csv(folder, factor)
        ingest_csv(folder, folder / "bars.csv", exchange="XNYS")


@pytest.mark.slow
@pytest.mark.parametrize("most", [3, None])
def test_init(bench, tmp_path, most):
    assert bench(tmp_path / "none").killed("init", ".", most=most) == []


@pytest.mark.slow
@pytest.mark.parametrize("most", [3, None])
def test_a_restating_ingest(bench, ingested, most):
    assert bench(ingested).killed(*CSV, most=most) == []


@pytest.mark.slow
def test_ingests(bench, ingested, tmp_path):
    def before(folder):
        shutil.copytree(ingested, folder, dirs_exist_ok=True)
        shutil.rmtree(folder / "db")

    empty = bench(tmp_path / "none", before)
    assert empty.killed(*CSV) == []
    assert empty.killed("ingest", "synthetic", "--symbols", 6, "--sessions", 60) == []


@pytest.mark.slow
def test_lists(bench, ingested):
    def before(folder):
        (folder / "st.csv").write_text("symbol,start,end\nAAA,2024-01-10,2024-01-20\n")
        (folder / "own.csv").write_text("symbol,start,end\nAAA,2024-01-02,\nBBB,2024-01-02,\n")
        (folder / "days.csv").write_text("date\n2024-01-02\n2024-02-01\n")

    made = bench(ingested, before)
    assert made.killed("ingest", "intervals", "st", "st.csv") == []
    assert made.killed("ingest", "universe", "own", "own.csv") == []
    assert made.killed("ingest", "calendar", "days.csv") == []


@pytest.mark.slow
def test_bars_are_dropped_and_replaced(bench, ingested):
    def before(folder):
        from kronos_quant.market import ingest_csv

        text = (folder / "bars.csv").read_text()
        (folder / "other.csv").write_text(text.replace("AAA", "CCC").replace("BBB", "DDD"))
        ingest_csv(folder, folder / "other.csv", exchange="XNYS")

    made = bench(ingested, before)
    assert made.killed("drop", "symbol", "AAA", "--yes", done="unknown symbol") == []
    assert made.killed("drop", "source", "bars.csv", "--yes", done="unknown source") == []
    assert made.killed("ingest", "csv", "bars.csv", "--exchange", "24/7") == []


@pytest.mark.slow
def test_snapshots_are_pruned(bench, ingested):
    assert bench(ingested, several_snapshots).killed("snapshot", "prune", "--keep", 1) == []


@pytest.mark.slow
def test_exports_and_pages(bench, ingested):
    made = bench(ingested)
    exists = "exists; an export never overwrites"
    for out, form in (("out.parquet", "parquet"), ("out.csv", "csv"), ("folder", "csv"), ("qlib", "qlib")):
        assert made.killed("export", "bars", out, "--format", form, done=exists) == []
    assert made.killed("check", "--html", "quality.html") == []
    assert made.killed("history", "AAA") == []


SMALL_DEMO = """
from kronos_quant.workflows import demo
whole = demo.make_market
demo.make_market = lambda spec: whole(spec.model_copy(update={"symbols": 12, "sessions": 300}))
for name, less in (("epochs: 5", "epochs: 1"), (": 3200", ": 64"), (": 160", ": 60"), ("_window: 24", "_window: 10")):
    demo.CONFIG = demo.CONFIG.replace(name, less)
demo.RECIPE = demo.RECIPE.replace(": 40", ": 4")
"""


TRAINED_AGAIN = re.compile(r"\): other bytes: \[('runs/train/#1/[^']+'(, )?)+\]$")
"""A demo always trains: killed after that, it has two equal trainings, and the signals of the first."""


@pytest.fixture
def kq_demo(tmp_path):
    """`kq` in forks of a process that has imported everything, with a small demo."""
    (tmp_path / "temporary").mkdir()
    runner = Kq(tmp_path / "temporary", ["kq_cli", "kronos_quant"], code=SMALL_DEMO)
    yield runner
    runner.close()


@pytest.mark.slow
def test_a_demo(bench, kq_demo, tmp_path):
    wrong = bench(tmp_path / "none", kq=kq_demo).killed("demo", ".", most=6)
    assert [words for words in wrong if not TRAINED_AGAIN.search(words)] == []


def best(folder: Path) -> Path:
    [run] = (folder / "runs" / "train").glob("[0-9]*")
    return run / "checkpoints" / "best"


@pytest.mark.slow
def test_a_model_is_added(bench, kq_models, trained_folder):
    assert bench(trained_folder, kq=kq_models).killed("model", "add", best(trained_folder), "--name", "mine") == []


@pytest.mark.slow
def test_signals(bench, kq_models, trained_folder):
    found = sessions(trained_folder)
    arguments = ("--start", found[-3], "--end", found[-1], "--gpus", 0)
    assert bench(trained_folder, kq=kq_models).killed("signal", *arguments) == []


@pytest.mark.slow
def test_signals_are_evaluated(bench, kq_models, scored):
    assert bench(scored, kq=kq_models).killed("evaluate", "--no-zero-shot") == []


@pytest.mark.slow
def test_a_back_test(bench, kq_models, scored):
    assert bench(scored, kq=kq_models).killed("backtest", "strategies/topk.yaml") == []


@pytest.mark.slow
def test_a_sweep(bench, kq_models, scored):
    assert (
        bench(scored, kq=kq_models).killed(
            "sweep", "strategies/topk.yaml", "--grid", "topk=2,3", "--grid", "n_drop=1,2"
        )
        == []
    )


@pytest.mark.slow
def test_signals_are_imported_exported_and_pruned(bench, kq_models, scored):
    made = bench(scored, kq=kq_models)
    assert made.killed("signal", "import", "scores.csv", "--name", "mine", done="already imported") == []
    assert made.killed("signal", "export", "out.parquet", done="already exists") == []
    unnamed = bench(scored, lambda folder: (folder / "signals" / "default.yaml").write_text("samples: 9\n"), kq_models)
    assert unnamed.killed("signal", "prune", "--yes") == []


@pytest.mark.slow
def test_a_forecast(bench, kq_models, trained_folder):
    assert bench(trained_folder, kq=kq_models).killed("forecast", "MADE0001") == []


@pytest.mark.slow
def test_a_training(bench, kq_models, market_folder):
    assert bench(market_folder, kq=kq_models).killed("train", "--gpus", 0, most=40) == []
