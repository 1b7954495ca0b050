import json

import numpy as np
import polars as pl
import pytest

from kronos_quant.market import workspace_market


@pytest.fixture
def scored(kq, market_workspace):
    """A workspace with imported scores of noise for its last 60 sessions."""
    market = workspace_market(market_workspace)
    bars = market.bars().filter(pl.col("date") >= market.sessions()[-60], pl.col("symbol") != "MADE_INDEX")
    noise = np.random.default_rng(0).standard_normal(bars.height)
    bars.select("date", "symbol", pl.Series("score", noise)).write_csv(market_workspace.root / "alpha.csv")
    done = kq(market_workspace.root, "signal", "import", "alpha.csv", "--name", "alpha", "--horizon", "3")
    assert done.code == 0, done.err
    return market_workspace


def test_the_finding_comes_first_then_the_table_then_what_to_know(kq, scored):
    done = kq(scored.root, "evaluate", "alpha")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("NO EDGE FOUND: rank IC ")
    table = lines[lines.index("") + 1 :]
    assert [line.split("  ")[0] for line in table[1:7]] == [
        "signal", "last close", "volatility band", "momentum", "reversal", "LightGBM",
    ]  # fmt: skip
    assert lines[-1].startswith("page: ")
    assert lines[-1].endswith("scorecard.html")
    assert (scored.root / lines[-1].removeprefix("page: ")).is_file()


def test_json_holds_the_metrics_and_the_folder(kq, scored):
    done = kq(scored.root, "evaluate", "alpha", "--json")
    told = json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert told["edge"] is False
    assert told["horizon"] == 3
    written = json.loads((scored.root / told["folder"] / "metrics.json").read_text())
    assert written == {name: value for name, value in told.items() if name != "folder"}


def test_a_mistake_is_one_line_with_the_right_code(kq, scored):
    assert kq(scored.root, "evaluate", "nobody").refusal()[0] == 2
    code, error, hint = kq(scored.root, "evaluate", "alpha", "--start", "2030-01-01").refusal()
    assert code == 3
    assert error.startswith("2030-01-01 is after the data")
    assert hint is not None
    assert kq(scored.root, "evaluate", "alpha", "--universe", "csi300").refusal()[0] == 3
    assert kq(scored.root, "evaluate", "alpha", "--against", "alpha").refusal()[0] == 2
    sessions = workspace_market(scored).sessions()
    swapped = ("--start", str(sessions[-1]), "--end", str(sessions[-9]))
    assert kq(scored.root, "evaluate", "alpha", *swapped).refusal()[0] == 2
    early = ("--start", str(sessions[0]), "--end", str(sessions[9]))
    code, error, _ = kq(scored.root, "evaluate", "alpha", *early).refusal()
    assert (code, error) == (3, f"recipe alpha: no signals in the store from {sessions[0]} to {sessions[9]}")
    assert not (scored.root / "runs" / "evaluate").exists()


def test_intraday_bars_are_refused(kq, tmp_path):
    kq(tmp_path, "init")
    rows = [f"2025/6/5 10:{minute:02d},10,11,9,10,100" for minute in range(0, 60, 5)]
    (tmp_path / "bars.csv").write_text("\n".join(["timestamps,open,high,low,close,volume", *rows]))
    kq(tmp_path, "ingest", "csv", "bars.csv", "--symbol", "AAA", "--exchange", "XNYS")
    code, error, _ = kq(tmp_path, "evaluate").refusal()
    assert code == 3
    assert error == "the scorecard counts sessions of daily bars, and this workspace holds 5min bars"
