from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from kronos_quant.runs import Inputs, staged_run


@pytest.fixture
def ids(market_workspace):
    """Two finished back-tests, of which the comparison needs three files."""
    made = []
    for seed in (1, 2):
        returns = np.random.default_rng(seed).normal(0, 0.01, 40)
        dates = [date(2024, 1, 1) + timedelta(days=i) for i in range(40)]
        with staged_run(market_workspace.runs, "backtest", Inputs()) as run:
            (run.folder / "config.yaml").write_text(f"strategy: {{topk: {seed}}}\n")
            pl.DataFrame({"date": dates, "return": returns}).write_parquet(run.folder / "returns.parquet")
            run.write_metrics({"sharpe_ratio": float(seed), "sessions_per_year": 252.0})
        made.append(run.id)
    return made


def test_a_comparison_prints_its_tables_and_the_page(kq, market_workspace, ids):
    done = kq(market_workspace.root, "compare", *ids)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "2 back-tests compared"
    assert "Figures, after costs" in lines
    assert any(line.split() == ["strategy.topk", "1", "2"] for line in lines)
    assert lines[-1].startswith("page: ")
    assert lines[-1].endswith("compare.html")


def test_a_comparison_can_be_read_by_a_script(kq, market_workspace, ids):
    found = json.loads(kq(market_workspace.root, "compare", *ids, "--json").out)
    assert [run["sharpe_ratio"] for run in found["runs"]] == [1.0, 2.0]
    assert found["against_first"][0]["sessions"] == 40


def test_a_name_that_is_none_is_refused_in_one_line(kq, market_workspace, ids):
    code, error, hint = kq(market_workspace.root, "compare", ids[0], "nothing").refusal()
    assert (code, error) == (2, "'nothing': neither the id nor the folder of a finished back-test")
    assert hint == f"the newest are {', '.join(ids)}"
    code, error, _ = kq(market_workspace.root, "compare", ids[0]).refusal()
    assert (code, error) == (2, "a comparison needs at least 2 runs")
