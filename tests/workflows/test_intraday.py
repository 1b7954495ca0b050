"""Back-tests of workspaces that hold bars of minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from made import intraday_workspace

from kronos_quant import DataError
from kronos_quant.market import ingest_csv, open_market
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.parity import run_parity
from kronos_quant.workflows.sweep import run_sweep
from kronos_quant.workflows.workspace import Workspace
from kronos_quant.workspace import init_workspace, open_workspace_folder

BARS = {  # a share of Shanghai: two sessions, three bars each, labelled at their ends
    "2024-06-18 14:50": (9.98, 10.00),
    "2024-06-18 14:55": (10.00, 10.02),
    "2024-06-18 15:00": (10.02, 10.01),
    "2024-06-19 09:35": (10.07, 10.11),
    "2024-06-19 09:40": (10.12, 10.20),
    "2024-06-19 09:45": (10.21, 10.03),
    "2024-06-20 09:35": (10.05, 10.33),
    "2024-06-20 09:40": (10.31, 10.29),
}


UNBOUNDED = "liquidity: {impact: 0, participation: null}\n"
"""Orders of any size fill at the quoted price."""

OWN = """
def decide(view):
    score = view.scores[0]
    return None if score != score else {"SH600977": 0.9 * (score > 0)}
"""


@pytest.fixture
def one_share(tmp_path):
    """A workspace with BARS, and a strategy that holds the share while its score is positive."""
    root = tmp_path / "workspace"
    init_workspace(root)
    lines = [f"{time}:00,{o},{max(o, c)},{min(o, c)},{c},1000" for time, (o, c) in BARS.items()]
    (root / "bars.csv").write_text("timestamps,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    ingest_csv(root, root / "bars.csv", symbol="SH600977", exchange="XSHG")
    (root / "strategies" / "own.py").write_text(OWN)
    text = "scores: scores.csv\nstrategy: python\ncode: strategies/own.py\naccount: 100_000\n" + UNBOUNDED
    (root / "strategies" / "own.yaml").write_text(text)
    return open_workspace_folder(root)


def write_moments(workspace, *rows: tuple[str, float]):
    text = "".join(f"{asof}:00,SH600977,{score}\n" for asof, score in rows)
    (workspace.root / "scores.csv").write_text("asof,symbol,score\n" + text)


def test_a_real_exchanges_session_to_the_cent(one_share):
    write_moments(one_share, ("2024-06-18 15:00", 1.0), ("2024-06-19 09:35", -1.0), ("2024-06-20 09:35", -1.0))
    result = run_backtest(one_share, "own", device="cpu", page=False, allow_code=True)
    moves = [
        (f"{row['time']:%d %H:%M}", row["side"], row["status"], row["reason"], row["shares"], round(row["price"], 2))
        for row in result.orders.iter_rows(named=True)
    ]
    # 90,000 at the last close of 10.01 are 8,991 shares: 89 lots, at the open of 10.07
    assert moves == [
        ("19 09:35", "buy", "filled", "", 8_900, 10.07),
        ("19 09:40", "sell", "rejected", "bought today", 0, 10.12),
        ("20 09:40", "sell", "filled", "", 8_900, 10.31),
    ]
    # 89,623.00, commission 22.40575 and transfer fee 0.89623, each to the cent
    spent = 89_623.00 + 22.41 + 0.90
    # 91,759.00 less commission 22.93975, stamp duty 45.8795, transfer fee 0.91759
    got = 91_759.00 - 22.94 - 45.88 - 0.92
    closes = [10.11, 10.20, 10.03, 10.33]
    expected = [100_000 - spent + 8_900 * close for close in closes] + [100_000 - spent + got]
    assert result.bars["account"].to_list() == pytest.approx(expected, abs=1e-6)
    assert result.account.tolist() == pytest.approx([expected[2], expected[4]], abs=1e-6)


def test_the_run_leaves_the_account_of_every_bar(one_share):
    write_moments(one_share, ("2024-06-18 15:00", 1.0))
    summary = run_backtest(one_share, "own", device="cpu", page=False, allow_code=True)
    bars = pl.read_parquet(summary.folder / "bars.parquet")
    assert bars["time"].to_list()[0] == datetime(2024, 6, 19, 9, 35)
    # the session of the newest score, and the one after it
    assert len(bars) == 3
    assert "scores of one bar are traded at the open of the next bar" in summary.report
    returns = pl.read_parquet(summary.folder / "returns.parquet")
    assert len(returns) == 1
    assert returns["account"][-1] == bars["account"][-1]


def test_imported_signals_trade_at_the_bar_after_their_moment(tmp_path):
    workspace = intraday_workspace(tmp_path / "workspace")
    market = open_market(workspace.root)
    times = market.times().filter(pl.col("time").dt.hour() == 10, pl.col("time").dt.minute() == 30)
    bars = market.bars().join(times, on=["date", "time"], how="semi")
    signals = bars.select(asof="time", symbol="symbol", score=pl.col("close").cast(pl.Float64) % 1)
    signals.write_parquet(workspace.root / "scores.parquet")
    Workspace(workspace).import_signals(workspace.root / "scores.parquet", "mine")
    text = "signal: mine\ntopk: 2\nn_drop: 1\nhold_thresh: 1\n"
    (workspace.root / "strategies" / "own.yaml").write_text(text + UNBOUNDED)
    summary = run_backtest(workspace, "own", device="cpu", page=False)
    # each 10:30 is followed by the bar that ends at 11:00
    assert set(summary.fills["time"].dt.time().cast(pl.String)) == {"11:00:00"}
    sessions = market.sessions()
    # the first session has none before it, and only gives scores
    assert list(summary.dates) == sessions[1:]
    assert summary.figures["trades"] > 10
    first = signals.filter(pl.col("asof").dt.date() == sessions[1]).sort("score", descending=True)
    bought = summary.fills.filter(pl.col("date") == sessions[1])["symbol"].to_list()
    assert bought == first["symbol"].to_list()[:2]
    assert summary.report == run_backtest(workspace, "own", device="cpu", page=False).report


def test_a_start_of_the_strategy_has_the_session_before_for_its_limits(one_share):
    write_moments(one_share, ("2024-06-19 09:35", 1.0), ("2024-06-19 09:40", 1.0))
    path = one_share.root / "strategies" / "own.yaml"
    path.write_text(path.read_text() + "start: 2024-06-19\nend: 2024-06-19\n")
    result = run_backtest(one_share, "own", device="cpu", page=False, allow_code=True)
    assert [f"{time:%d %H:%M}" for time in result.bars["time"]] == ["19 09:35", "19 09:40", "19 09:45"]
    assert result.fills["time"].to_list()[0] == datetime(2024, 6, 19, 9, 40)


@pytest.mark.slow
def test_a_sweep_steps_on_bars_too(tmp_path):
    workspace = intraday_workspace(tmp_path / "workspace", count=24)
    bars = open_market(workspace.root).bars()
    moved = bars.select(asof="time", symbol="symbol", score=pl.col("close").cast(pl.Float64) % 1)
    moved.write_csv(workspace.root / "scores.csv")
    (workspace.root / "strategies" / "own.yaml").write_text("scores: scores.csv\ntopk: 2\nn_drop: 1\nhold_thresh: 1\n")
    trials = run_sweep(workspace, "own", ["topk=1,2"], device="cpu").trials
    alone = run_backtest(workspace, "own", device="cpu", page=False).figures
    [row] = trials.filter(pl.col("topk") == 2).to_dicts()
    assert row["total_return"] == pytest.approx(alone["total_return"], rel=1e-12)


def test_what_only_qlib_has_steps_on_daily_bars(one_share):
    write_moments(one_share, ("2024-06-18 15:00", 1.0))
    (one_share.root / "strategies" / "q.yaml").write_text("scores: scores.csv\nprofile: qlib\n")
    with pytest.raises(DataError, match="profile: qlib needs daily bars, found 5min bars"):
        run_backtest(one_share, "q", device="cpu", page=False)
    (one_share.root / "strategies" / "e.yaml").write_text("scores: scores.csv\n")
    with pytest.raises(DataError, match="parity needs daily bars, as Qlib does: found 5min bars"):
        run_parity(one_share, "e", device="cpu")


def test_one_session_alone_is_none_to_trade_in(tmp_path):
    init_workspace(tmp_path / "workspace")
    root, start = tmp_path / "workspace", datetime(2024, 6, 18, 9, 35)
    lines = [f"{start + timedelta(minutes=5 * i)},10,10,10,10,100" for i in range(6)]
    (root / "bars.csv").write_text("timestamps,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    ingest_csv(root, root / "bars.csv", symbol="SH600977", exchange="XSHG")
    (root / "scores.csv").write_text(f"asof,symbol,score\n{start},SH600977,1\n")
    (root / "strategies" / "own.yaml").write_text("scores: scores.csv\n")
    with pytest.raises(DataError, match="a back-test needs at least 2 sessions, found 1"):
        run_backtest(open_workspace_folder(root), "own", device="cpu", page=False)
