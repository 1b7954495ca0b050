import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kronos_quant.market import workspace_market
from kronos_quant.market.sessions import sessions_between


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
    assert lines[0].startswith("NO EDGE: rank IC ")
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


def test_one_share_of_five_minute_bars_is_evaluated_over_time(kq, tmp_path):
    kq(tmp_path, "init")
    rng = np.random.default_rng(0)
    closes = 10 * np.exp(np.cumsum(0.002 * rng.standard_normal((20, 48)))).ravel()
    clock = [datetime(2024, 1, 2, 9, 30) + timedelta(minutes=5 * i) for i in (*range(1, 25), *range(43, 67))]
    days = sessions_between("XSHG", date(2024, 1, 2), date(2024, 3, 1))[:20]
    stamps = [datetime.combine(day, moment.time()) for day in days for moment in clock]
    rows = [f"{at:%Y/%m/%d %H:%M},{c:.3f},{c:.3f},{c:.3f},{c:.3f},100" for at, c in zip(stamps, closes, strict=True)]
    (tmp_path / "bars.csv").write_text("\n".join(["timestamps,open,high,low,close,volume", *rows]))
    done = kq(tmp_path, "ingest", "csv", "bars.csv", "--symbol", "600977", "--exchange", "XSHG")
    assert done.code == 0, done.err
    scores = [f"{at:%Y-%m-%d %H:%M},SH600977,{s:.4f}" for at, s in zip(stamps, rng.standard_normal(960), strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["asof,symbol,score", *scores[11::12]]))
    told = kq(tmp_path, "signal", "import", "mine.csv", "--name", "mine", "--horizon", "12")
    assert "on 20 sessions (80 moments)" in told.out, told.err
    done = kq(tmp_path, "evaluate", "mine")
    assert done.code == 0, done.err
    assert done.out.startswith(
        "NO RANK IC: it needs at least 3 symbols per moment with score and return, found at most 1. Correl"
    )
    assert "correlation over time" in done.out
    shown = kq(tmp_path, "signal", "show", "mine", "--date", f"{days[3]}T11:30")
    assert f"1 symbol on {days[3]} 11:30, all scored (column score)" in shown.out
    code, error, hint = kq(tmp_path, "signal", "show", "mine", "--date", f"{days[3]}T11:35").refusal()
    assert (code, error) == (3, f"mine: no signals asof {days[3]} 11:35")
    assert hint == "Decision times of that session: 10:30, 11:30, 14:00, 15:00."


def test_a_lookback_longer_than_the_market_is_named(kq, trained_workspace):
    (trained_workspace.root / "signals" / "long.yaml").write_text("lookback_window: 400\nhorizon: 3\n")
    for command in (("evaluate", "long"), ("signal", "--recipe", "long")):
        code, error, hint = kq(trained_workspace.root, *command).refusal()
        assert code == 3
        assert error.startswith("no symbol has 400 bars up to ")
        assert error.endswith("the longest series has 140 bars")
        assert hint == "Choose later dates, or a recipe with a shorter lookback_window."
