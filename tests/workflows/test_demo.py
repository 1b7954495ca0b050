import math
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from kronos_quant import ConfigError
from kronos_quant.evaluation.synthetic import DemoFinding, measure_edge
from kronos_quant.market import SyntheticSpec, make_market, open_market
from kronos_quant.stats.intervals import MeanInterval
from kronos_quant.workflows.demo import DemoSummary, make_workspace, run_demo
from kronos_quant.workspace import init_workspace


def estimated(mean: float, error: float, dates: int) -> MeanInterval:
    return MeanInterval(mean, error, math.nan, math.nan, dates, dates - 1, math.nan)


ORACLE = estimated(0.2, 0.02, 30)


def test_a_signal_well_above_its_error_is_found():
    finding = DemoFinding(0.2, estimated(0.1, 0.02, 30), ORACLE, 0.5)
    assert finding.found
    lines = finding.lines()
    assert lines[0] == "EDGE: rank IC on unseen dates is significantly positive (t = 5.0)."
    assert lines[1].endswith("unseen dates: +0.100 ± 0.020 (t = 5.0, 30 dates)")
    assert lines[2].endswith("+0.200 ± 0.020 (t = 10.0, 30 dates)")
    assert lines[3].endswith("rank correlation of the signal with the oracle: 0.50")


@pytest.mark.parametrize("mean", [0.03, 0.04, 0.0, -0.1])
def test_a_signal_within_two_errors_or_below_zero_is_not_found(mean):
    finding = DemoFinding(0.2, estimated(mean, 0.02, 30), ORACLE, 0.1)
    assert not finding.found
    verdict = f"rank IC is not significantly different from 0 (t = {mean / 0.02:.1f}, threshold 2)."
    assert finding.lines()[0] == f"NO EDGE: {verdict}"
    assert len(finding.lines()) == 4


def test_a_market_without_a_pattern_is_said_to_be_one():
    finding = DemoFinding(0.0, estimated(0.01, 0.02, 30), estimated(math.nan, math.nan, 0), math.nan)
    assert finding.lines()[-1] == "The market has no pattern (--strength 0), so there is no edge to find."
    assert "nan" not in " ".join(finding.lines())


def test_one_date_tells_nothing():
    assert not DemoFinding(0.2, estimated(0.5, math.nan, 1), ORACLE, 0.5).found


def test_the_summary_ends_with_the_backtest_and_its_page():
    finding = DemoFinding(0.2, estimated(0.1, 0.02, 30), ORACLE, 0.5)
    metrics = {"annual_return": 0.1234, "sharpe_ratio": 0.678}
    backtest = SimpleNamespace(metrics=metrics, tearsheet=Path("runs/x/tearsheet.html"))
    lines = DemoSummary(finding, backtest).lines()
    assert lines[:-2] == finding.lines()
    assert lines[-2:] == ["Top-K after costs: +12.3% per year, Sharpe 0.68", "tearsheet: runs/x/tearsheet.html"]


def test_the_signal_is_measured_on_unseen_dates_that_do_not_overlap(trained_workspace):
    made = make_market(SyntheticSpec(strength=0.2, symbols=12, sessions=140, seed=0))
    (trained_workspace.root / "signals" / "default.yaml").write_text("samples: 4\nhorizon: 5\n")
    finding = measure_edge(trained_workspace, made, 0.2)
    # 29 unseen sessions: those at 0, 5, 10, 15 and 20 have a session 5 later that is not the next one's
    assert finding.ic.dates == finding.oracle.dates == 5
    [folder] = trained_workspace.signal_store.iterdir()
    dates = sorted(date.fromisoformat(path.stem) for path in folder.glob("*.parquet"))
    sessions = open_market(trained_workspace.root).sessions()
    assert [sessions.index(on) - sessions.index(dates[0]) for on in dates] == [0, 5, 10, 15, 20]
    assert -1 <= finding.captured <= 1
    assert finding.oracle.mean != finding.ic.mean


@pytest.mark.slow
def test_a_demo_again_replaces_the_bars_of_the_one_before(tmp_path):
    first, _ = make_workspace(tmp_path, 0.2, 0)
    before = open_market(first.root)
    second, made = make_workspace(tmp_path, 0.0, 1)
    after = open_market(second.root)
    assert second.config.train.seed == 1
    assert after.snapshot.digest != before.snapshot.digest
    assert after.bars().height == made.batch.bars.height
    again, _ = make_workspace(tmp_path, 0.2, 0)
    assert open_market(again.root).snapshot.digest == before.snapshot.digest


def test_a_demo_does_not_mix_its_bars_into_another_workspace(tmp_path):
    init_workspace(tmp_path)
    recipe = (tmp_path / "signals" / "default.yaml").read_bytes()
    with pytest.raises(ConfigError, match="is already a workspace, but not one of kq demo") as caught:
        run_demo(tmp_path, 0.2)
    assert caught.value.hint == "kq demo another-folder"
    assert (tmp_path / "signals" / "default.yaml").read_bytes() == recipe
    assert list((tmp_path / "db").iterdir()) == []


@pytest.mark.slow
def test_the_demo_finds_the_pattern_that_was_planted(tmp_path):
    summary = run_demo(tmp_path / "demo", 0.2)
    assert summary.finding.ic.t > 3
    assert summary.finding.captured >= 0.4
    assert summary.backtest.tearsheet.is_file()
    assert summary.lines()[0].startswith("EDGE")
