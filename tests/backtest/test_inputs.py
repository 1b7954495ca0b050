"""What a workspace's bars, lists and files become for a back-test."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from kq_cli.app import main

from kronos_quant import DataError
from kronos_quant.backtest import simulate
from kronos_quant.backtest.groups import read_groups
from kronos_quant.backtest.inputs import collect_inputs, missing_benchmark, rows_before
from kronos_quant.errors import ConfigError
from kronos_quant.market import export_bars, ingest_intervals, ingest_qlib, ingest_weights, open_market
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workspace import init_workspace, open_workspace_folder


@pytest.fixture
def own(scored_workspace):
    """A function that adds lines to the strategy `own` and makes it ready."""

    def ready(lines="", **settings):
        path = scored_workspace.root / "strategies" / "own.yaml"
        path.write_text(path.read_text() + lines)
        return collect_inputs(scored_workspace, "own", "cpu", compute=False, **settings)

    ready.workspace = scored_workspace
    return ready


def test_the_panel_is_of_the_scored_sessions_and_what_was_before_them_is_its_past(own):
    inputs = own()
    known = open_market(own.workspace.root).sessions()
    assert inputs.panel.dates == tuple(known[-30:])
    assert inputs.panel.past.dates == tuple(known[-50:-30])
    bars = inputs.market.bars(start=known[-50], end=known[-31])
    close = dict(bars.filter(symbol="MADE0003").select("date", "close").iter_rows())
    n = inputs.panel.symbols.index("MADE0003")
    expected = [close.get(day, np.nan) for day in known[-50:-30]]
    np.testing.assert_allclose(inputs.panel.past.bars[3][:, n], expected)
    volume = inputs.panel.with_past("volume")
    assert volume.shape == (50, len(inputs.panel.symbols))


def test_trailing_figures_ask_for_as_many_sessions_as_the_strategy_says(own):
    inputs = own("liquidity: {participation: 0.1, sessions: 7}\n")
    assert len(inputs.panel.past.dates) == 7
    first = inputs.market.sessions()[3]
    assert rows_before(inputs.market.times(), inputs.strategy, first)["date"].to_list() == inputs.market.sessions()[:3]
    assert rows_before(inputs.market.times(), inputs.strategy, inputs.market.sessions()[0]).is_empty()


def test_the_first_purchase_of_a_run_moves_the_price(own):
    inputs = own("liquidity: {impact: 1.0}\nn_drop: 0\n".replace("n_drop: 0\n", ""))
    result = simulate(inputs.strategy, inputs.panel, inputs.rules)
    first = result.fills.filter(date=result.dates[0])
    assert len(first)
    assert (first["impact"] > 0).all()
    assert not any("no impact" in note for note in result.notes)
    alone = simulate(inputs.strategy, replace(inputs.panel, past=None), inputs.rules)
    assert any("fills had no market impact" in note for note in alone.notes)


def test_a_start_between_two_sessions_is_the_next_one_and_an_end_the_one_before(own):
    known = open_market(own.workspace.root).sessions()
    friday = next(day for day in known[-25:] if day.weekday() == 4 and day + timedelta(days=3) in known)
    monday = friday + timedelta(days=3)
    inputs = own(f"start: {friday + timedelta(days=1)}\n")
    assert inputs.panel.dates[0] == monday
    path = own.workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text().replace("start:", "end:"))
    assert own().panel.dates[-1] == friday


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ("end: 1999-01-01\n", DataError, "1999-01-01 is before the data, which begin on"),
        ("start: 2031-01-01\n", DataError, "2031-01-01 is after the data, which end on"),
        ("score: nonsense\n", DataError, "scores.csv: expected a column nonsense, found score"),
        ("universe: nobody\n", DataError, "unknown universe 'nobody'; available: all"),
        ("benchmark: NOWHERE\n", DataError, "unknown symbol 'NOWHERE'"),
        ("lots: {ZZZ: 5}\n", DataError, "lots: no scores and bars of ZZZ"),
    ],
)
def test_what_the_market_does_not_have_is_refused_before_anything_long(own, lines, error, message):
    with pytest.raises(error, match=message):
        own(lines)


def test_a_strategy_of_code_is_read_only_where_that_was_allowed(own):
    code = own.workspace.root / "mine.py"
    code.write_text("def decide(view):\n    return {view.symbols[0]: 0.5}\n")
    path = own.workspace.root / "strategies" / "own.yaml"
    path.write_text("scores: scores.csv\nstrategy: python\ncode: mine.py\n")
    with pytest.raises(ConfigError, match=r"mine\.py: the strategy runs Python code") as error:
        own()
    assert "--allow-code" in error.value.hint
    inputs = own(allow_code=True)
    result = simulate(inputs.strategy, inputs.panel, inputs.rules, decide=inputs.decide)
    assert set(result.fills["symbol"]) == {inputs.panel.symbols[0]}


def test_the_benchmark_is_the_markets_index_or_none(own):
    inputs = own()
    assert inputs.benchmark == "MADE_INDEX"
    closes = dict(inputs.market.bars(["MADE_INDEX"]).select("date", "close").iter_rows())
    np.testing.assert_allclose(inputs.benchmark_close, [closes[day] for day in inputs.panel.dates])
    assert missing_benchmark(inputs) == []
    without = own("benchmark: none\n")
    assert (without.benchmark, without.benchmark_close) == (None, None)
    assert missing_benchmark(without) == []
    assert missing_benchmark(replace(without, strategy=inputs.strategy)) == [
        "No benchmark: there is no index among the instruments (set `benchmark` in the strategy)."
    ]


def test_the_profile_qlib_without_a_directory_says_where_its_changes_come_from(own):
    inputs = own("profile: qlib\n")
    assert inputs.qlib.notes[0].startswith("No Qlib directory with these bars was found")
    assert inputs.panel.past is None
    assert inputs.qlib.volume.shape == inputs.panel.close.shape
    with pytest.raises(DataError, match="nowhere"):
        own("qlib: {directory: nowhere}\n")


def test_the_profile_qlib_finds_the_directory_that_the_bars_came_from(own, tmp_path):
    export_bars(own().market, tmp_path / "source", "qlib")
    root = init(tmp_path / "other", own.workspace)
    ingest_qlib(root, tmp_path / "source", exchange="XNYS")
    workspace = open_workspace_folder(root)
    inputs = collect_inputs(workspace, "own", "cpu", compute=False)
    assert inputs.qlib.notes == ()
    # what the directory says counts, not what the closes tell
    symbol, name = inputs.panel.symbols[0], "change.day.bin"
    path = tmp_path / "source" / "features" / symbol.lower() / name
    np.concatenate([[0.0], np.full(len(inputs.market.sessions()), 0.5)]).astype("<f4").tofile(path)
    assert (collect_inputs(workspace, "own", "cpu", compute=False).qlib.change[:, 0] == 0.5).all()
    # a directory that has other bars by now is passed over, and the run says so
    close = path.with_name("close.day.bin")
    (np.fromfile(close, "<f4") * np.float32(1.5)).tofile(close)
    changed = collect_inputs(workspace, "own", "cpu", compute=False).qlib
    assert changed.notes[0].startswith("No Qlib directory with these bars was found")
    assert not (changed.change[:, 0] == 0.5).any()


def init(root, workspace):
    """A workspace beside another, with its scores and the strategy `own` in the profile qlib."""
    init_workspace(root)
    shutil.copy(workspace.root / "scores.csv", root)
    text = (workspace.root / "strategies" / "own.yaml").read_text()
    (root / "strategies" / "own.yaml").write_text(text + "profile: qlib\n")
    return root


def test_prices_of_the_exchange_are_multiples_of_the_tick_and_qlibs_are_as_stored(own):
    exchange = own().panel
    raw = exchange.close / exchange.factor
    known = raw[~np.isnan(raw)]
    cents = np.abs(known * 100 - np.round(known * 100))
    stored = own("profile: qlib\n").panel
    shared = [stored.symbols.index(symbol) for symbol in exchange.symbols]
    np.testing.assert_allclose(stored.close[:, shared], exchange.close, rtol=3e-7)
    assert (cents < 1e-9).mean() >= (np.abs((stored.close * 100) % 1) < 1e-9).mean()


def gated(own, share):
    path = own.workspace.root / "scores.csv"
    scores = pl.read_csv(path, try_parse_dates=True)
    gone = scores["date"].unique().sort()[10]
    scores.filter(pl.col("date") != gone).write_csv(path)
    strategy = own.workspace.root / "strategies" / "own.yaml"
    strategy.write_text(strategy.read_text() + f"max_missing: {share}\n")


def run_command(monkeypatch, capsys, folder, *arguments):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["kq", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code, *capsys.readouterr()


def test_the_command_refuses_what_the_gate_does_not_let_through_and_leaves_nothing(own, monkeypatch, capsys):
    gated(own, 0.01)
    code, out, err = run_command(monkeypatch, capsys, own.workspace.root, "backtest", "own")
    assert (code, out) == (3, "")
    line, hint = err.splitlines()[-2:]
    assert line.startswith("error: ")
    assert line.endswith("; limit set by max_missing_scores: 1.0%")
    assert hint == "hint:  compute or import those signals, shorten the period, or raise max_missing_scores"
    assert not list((own.workspace.root / "runs").glob("backtest/*"))


@pytest.mark.slow
def test_the_command_says_what_is_missing_where_the_gate_lets_it_pass(own, monkeypatch, capsys):
    gated(own, 0.5)
    code, out, _ = run_command(monkeypatch, capsys, own.workspace.root, "backtest", "own")
    assert code in (0, None)
    assert "expected scores are missing" in " ".join(out.split())
    assert "1 session without any score" in " ".join(out.split())


def test_dates_are_not_shifted_by_a_universes_own_dates(own):
    inputs = own()
    assert isinstance(inputs.panel.dates[0], date)
    assert inputs.scores.sessions == list(inputs.panel.dates)


@pytest.fixture
def workspace(scored_workspace, monkeypatch):
    return scored_workspace


def with_risk(workspace, text):
    path = workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text() + text)
    return workspace


def group_file(workspace, name="groups.csv"):
    symbols = open_market(workspace.root).instruments()["symbol"].to_list()
    rows = "".join(f"{symbol},{'odd' if i % 2 else 'even'}\n" for i, symbol in enumerate(symbols))
    (workspace.root / name).write_text("symbol,group\n" + rows)
    return {symbol: "odd" if i % 2 else "even" for i, symbol in enumerate(symbols)}


def test_groups_of_a_file_are_kept_to_and_the_run_tells(workspace):
    group_of = group_file(workspace)
    with_risk(workspace, "risk: {max_group: 0.45, groups: groups.csv}\n")
    summary = run_backtest(workspace, "own", device="cpu", page=False)
    weights = summary.positions.with_columns(group=pl.col("symbol").replace_strict(group_of))
    most = weights.group_by("date", "group").agg(pl.col("weight").sum())["weight"].max()
    assert most < 0.5  # 0.45 at the last closes, and a day's move
    assert summary.figures["risk"]["group cap"] > 0
    assert "maximum weight 45.00% per group" in summary.report
    assert summary.strategy.risk.groups is not None


def test_industries_that_were_ingested_are_the_groups_without_a_file(workspace):
    symbols = open_market(workspace.root).instruments()["symbol"].to_list()
    rows = "".join(f"{symbol},2000-01-01,,{'steel' if symbol < 'MADE0006' else 'banks'}\n" for symbol in symbols)
    (workspace.root / "industry.csv").write_text("symbol,start,end,value\n" + rows)
    with_risk(workspace, "risk: {max_group: 0.3}\n")
    with pytest.raises(DataError, match=r"risk\.max_group: no industries in the workspace") as error:
        run_backtest(workspace, "own", device="cpu", page=False)
    assert error.value.hint.startswith("kq ingest intervals industry FILE")
    ingest_intervals(workspace.root, "industry", workspace.root / "industry.csv")
    assert run_backtest(workspace, "own", device="cpu", page=False).figures["risk"]["group cap"] > 0


def test_a_file_of_groups_may_be_dated(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("symbol,group,start,end\n600000.SH,banks,,2024-01-31\nSH600000,steel,2024-02-01,\n")
    assert read_groups(path, "XSHG").rows() == [
        ("SH600000", "banks", None, date(2024, 1, 31)),
        ("SH600000", "steel", date(2024, 2, 1), None),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "groups.csv: no such file"),
        ("symbol,sector\nA,b\n", "expected the columns symbol and group, found symbol, sector"),
        ("symbol,group\nA,\n", "1 rows without a symbol or group"),
        ("symbol,group,start\nA,b,lately\n", "start: expected dates such as 2025-06-05, found 'lately'"),
        ("symbol,group\n", "groups.csv: expected rows below the header line, found none"),
        ("symbol,group\nA,b\n../X,b\n", r"groups.csv: line 3: expected a symbol, found '../X' \(contains '..'\)"),
        (
            "symbol,group\nA,=1\n",
            r"groups.csv: line 2: expected a group, found '=1' \(it cannot be printed in a cell\)",
        ),
        (
            "symbol,group,start\nA,b,\nA\n",
            "groups.csv: line 3: expected 3 cells as in line 1, found 1: the row is cut off",
        ),
    ],
)
def test_a_file_that_holds_no_groups_is_refused(tmp_path, content, message):
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_groups(path, "")


def test_groups_of_none_of_the_symbols_are_refused(workspace):
    (workspace.root / "groups.csv").write_text("symbol,group\nSH600000,banks\n")
    with_risk(workspace, "risk: {max_group: 0.3, groups: groups.csv}\n")
    with pytest.raises(DataError, match=r"risk\.max_group: none of 12 symbols has a group"):
        run_backtest(workspace, "own", device="cpu", page=False)


def test_an_optimised_strategy_looks_back_far_enough_and_at_the_index(own):
    lines = (
        "strategy: topk_rebalance\nweighting: optimise\nevery: 5\n"
        "optimise: {benchmark: made, tracking_error: 0.02, sessions: 40, max_weight: 0.5}\n"
    )
    text = (own.workspace.root / "strategies" / "own.yaml").read_text().replace("n_drop: 1\n", "")
    (own.workspace.root / "strategies" / "own.yaml").write_text(text)
    with pytest.raises(DataError, match=r"optimise\.benchmark: no weights of made"):
        own(lines)
    market = open_market(own.workspace.root)
    names = market.bars()["symbol"].unique().sort().to_list()[:4]
    weights = pl.DataFrame({"date": [market.sessions()[0]] * 5, "symbol": [*names, "SZ399999"], "weight": [20.0] * 5})
    ingest_weights(own.workspace.root, "made", weights)
    inputs = own()
    assert len(inputs.panel.past.dates) == 41
    np.testing.assert_allclose(inputs.panel.index[:, [inputs.panel.symbols.index(name) for name in names]], 0.25)
    assert any("20.0% of made's weight is in symbols without scores and bars" in note for note in inputs.scores.notes)
    result = simulate(inputs.strategy, inputs.panel, inputs.rules)
    shares = result.positions.filter(date=result.positions["date"].min()).sort("symbol")
    held = shares.filter(pl.col("symbol").is_in(names))["value"].sum() / shares["value"].sum()
    assert held > 0.8
