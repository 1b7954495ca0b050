"""A strategy file made ready: what a workspace's bars, lists and files become for a back-test."""

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
from kronos_quant.errors import ConfigError
from kronos_quant.market import export_bars, ingest_qlib, open_market
from kronos_quant.workflows import backtest as job
from kronos_quant.workflows.trading import missing_benchmark, prepare
from kronos_quant.workflows.trading.prepared import rows_before
from kronos_quant.workspace import init_workspace, open_workspace_folder


@pytest.fixture
def own(scored_workspace):
    """A function that adds lines to the strategy `own` and makes it ready."""

    def ready(lines="", **settings):
        path = scored_workspace.root / "strategies" / "own.yaml"
        path.write_text(path.read_text() + lines)
        return prepare(scored_workspace, "own", "cpu", compute=False, **settings)

    ready.workspace = scored_workspace
    return ready


def test_the_panel_is_of_the_scored_sessions_and_what_was_before_them_is_its_past(own):
    prepared = own()
    known = open_market(own.workspace.root).sessions()
    assert prepared.panel.dates == tuple(known[-30:])
    assert prepared.panel.past.dates == tuple(known[-50:-30])
    bars = prepared.market.bars(start=known[-50], end=known[-31])
    close = dict(bars.filter(symbol="MADE0003").select("date", "close").iter_rows())
    n = prepared.panel.symbols.index("MADE0003")
    expected = [close.get(day, np.nan) for day in known[-50:-30]]
    np.testing.assert_allclose(prepared.panel.past.bars[3][:, n], expected)
    volume = prepared.panel.with_past("volume")
    assert volume.shape == (50, len(prepared.panel.symbols))


def test_trailing_figures_ask_for_as_many_sessions_as_the_strategy_says(own):
    prepared = own("liquidity: {participation: 0.1, sessions: 7}\n")
    assert len(prepared.panel.past.dates) == 7
    first = prepared.market.sessions()[3]
    assert rows_before(prepared.market, prepared.strategy, first)["date"].to_list() == prepared.market.sessions()[:3]
    assert rows_before(prepared.market, prepared.strategy, prepared.market.sessions()[0]).is_empty()


def test_the_first_purchase_of_a_run_moves_the_price(own):
    prepared = own("liquidity: {impact: 1.0}\nn_drop: 0\n".replace("n_drop: 0\n", ""))
    result = simulate(prepared.strategy, prepared.panel, prepared.rules)
    first = result.fills.filter(date=result.dates[0])
    assert len(first)
    assert (first["impact"] > 0).all()
    assert not any("no impact" in note for note in result.notes)
    alone = simulate(prepared.strategy, replace(prepared.panel, past=None), prepared.rules)
    assert any("fills had no impact" in note for note in alone.notes)


def test_a_start_between_two_sessions_is_the_next_one_and_an_end_the_one_before(own):
    known = open_market(own.workspace.root).sessions()
    friday = next(day for day in known[-25:] if day.weekday() == 4 and day + timedelta(days=3) in known)
    monday = friday + timedelta(days=3)
    prepared = own(f"start: {friday + timedelta(days=1)}\n")
    assert prepared.panel.dates[0] == monday
    path = own.workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text().replace("start:", "end:"))
    assert own().panel.dates[-1] == friday


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ("start: 1999-01-01\n", DataError, "1999-01-01 is before the data: they begin on"),
        ("end: 2031-01-01\n", DataError, "2031-01-01 is after the data: they end on"),
        ("score: nonsense\n", ConfigError, "score_column: expected one of .*, found 'nonsense'"),
        ("universe: nobody\n", DataError, "universe 'nobody' is unknown: known are all"),
        ("benchmark: NOWHERE\n", DataError, "symbol 'NOWHERE' is unknown"),
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
    prepared = own(allow_code=True)
    result = simulate(prepared.strategy, prepared.panel, prepared.rules, decide=prepared.decide)
    assert set(result.fills["symbol"]) == {prepared.panel.symbols[0]}


def test_the_benchmark_is_the_markets_index_or_none(own):
    prepared = own()
    assert prepared.benchmark == "MADE_INDEX"
    closes = dict(prepared.market.bars(["MADE_INDEX"]).select("date", "close").iter_rows())
    np.testing.assert_allclose(prepared.benchmark_close, [closes[day] for day in prepared.panel.dates])
    assert missing_benchmark(prepared) == []
    without = own("benchmark: none\n")
    assert (without.benchmark, without.benchmark_close) == (None, None)
    assert missing_benchmark(without) == []
    assert missing_benchmark(replace(without, strategy=prepared.strategy)) == [
        "No index was found among the instruments: there is no benchmark (set `benchmark:`)."
    ]


def test_the_profile_qlib_without_a_directory_says_where_its_changes_come_from(own):
    prepared = own("profile: qlib\n")
    assert prepared.qlib.notes[0].startswith("No Qlib directory of these bars was found")
    assert prepared.panel.past is None
    assert prepared.qlib.volume.shape == prepared.panel.close.shape
    with pytest.raises(DataError, match="nowhere"):
        own("qlib: {directory: nowhere}\n")


def test_the_profile_qlib_finds_the_directory_that_the_bars_came_from(own, tmp_path):
    export_bars(own().market, tmp_path / "source", "qlib")
    root = init(tmp_path / "other", own.workspace)
    ingest_qlib(root, tmp_path / "source", exchange="XNYS")
    workspace = open_workspace_folder(root)
    prepared = prepare(workspace, "own", "cpu", compute=False)
    assert prepared.qlib.notes == ()
    # what the directory says counts, not what the closes tell
    symbol, name = prepared.panel.symbols[0], "change.day.bin"
    path = tmp_path / "source" / "features" / symbol.lower() / name
    np.concatenate([[0.0], np.full(len(prepared.market.sessions()), 0.5)]).astype("<f4").tofile(path)
    assert (prepare(workspace, "own", "cpu", compute=False).qlib.change[:, 0] == 0.5).all()
    # a directory that has other bars by now is passed over, and the run says so
    close = path.with_name("close.day.bin")
    (np.fromfile(close, "<f4") * np.float32(1.5)).tofile(close)
    changed = prepare(workspace, "own", "cpu", compute=False).qlib
    assert changed.notes[0].startswith("No Qlib directory of these bars was found")
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


def test_the_command_says_what_is_missing_where_the_gate_lets_it_pass(own, monkeypatch, capsys):
    monkeypatch.setattr(job, "write_tearsheet", lambda *arguments, **settings: [])
    monkeypatch.setattr(job, "performance_png", lambda *arguments, **settings: None)
    gated(own, 0.5)
    code, out, _ = run_command(monkeypatch, capsys, own.workspace.root, "backtest", "own")
    assert code in (0, None)
    assert "expected scores are missing" in " ".join(out.split())
    assert "1 session without any score" in " ".join(out.split())


def test_dates_are_not_shifted_by_a_universes_own_dates(own):
    prepared = own()
    assert isinstance(prepared.panel.dates[0], date)
    assert prepared.scored.sessions == list(prepared.panel.dates)
