"""`import kronos_quant as kq`: light, complete, and the same as the command line."""

import inspect
import subprocess
import sys
from datetime import date, timedelta

import matplotlib.figure
import numpy as np
import pandas as pd
import polars as pl
import pytest
import typer
from kq_cli.app import app
from made import HANG_SECONDS, make_bars, weekdays

import kronos_quant as kq

METHODS = {
    ("ingest", "qlib"): "ingest_qlib",
    ("ingest", "csv"): "ingest_csv",
    ("ingest", "table"): "ingest",
    ("ingest", "synthetic"): "ingest_synthetic",
    ("ingest", "universe"): "ingest_universe",
    ("ingest", "intervals"): "ingest_intervals",
    ("ingest", "calendar"): "ingest_calendar",
    ("ingest", "dividends"): "ingest_dividends",
    ("universe",): "universe",
    ("check",): "check",
    ("train",): "train",
    ("signal",): "signals",
    ("forecast",): "forecast",
    ("evaluate",): "evaluate",
    ("backtest",): "backtest",
    ("sweep",): "sweep",
    ("compare",): "compare",
    ("parity",): "parity",
}
"""Command -> method of Workspace."""

OTHERWISE = {
    ("backtest", "strategy"): "the command line names a file, so that nothing is run by an empty line",
    ("parity", "strategy"): "as for backtest",
}
"""Parameters whose default differs on purpose, and why."""

SAME_PARAMETER = {"no_compute": "compute", "source": "table", "html": "page"}


def command(path):
    found = typer.main.get_command(app)
    for name in path:
        found = found.commands[name]
    return found


@pytest.mark.parametrize("path", list(METHODS))
def test_a_method_has_the_defaults_of_its_command(path):
    parameters = inspect.signature(getattr(kq.Workspace, METHODS[path])).parameters
    compared = 0
    for option in command(path).params:
        name = option.name if option.name in parameters else SAME_PARAMETER.get(option.name, "")
        if name not in parameters or (path[-1], name) in OTHERWISE:
            continue
        default = parameters[name].default
        if option.required:
            assert default is inspect.Parameter.empty, name
        elif option.name == "no_compute":
            assert default is (not option.default), name
        else:
            assert default == option.default or (not default and not option.default), name
        compared += 1
    assert compared or not [option for option in command(path).params if option.name not in ("help", "as_json")]


def test_every_public_name_is_there_and_listed():
    assert set(kq.__all__) == {name for name in dir(kq) if not name.startswith("_")} | {"__version__"}
    for name in kq.__all__:
        assert getattr(kq, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'bactest'"):
        kq.bactest  # noqa: B018


def test_the_function_backtest_stays_one_where_its_package_was_imported_before():
    code = "import kronos_quant.backtest.engine, kronos_quant as kq; print(callable(kq.backtest))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANG_SECONDS
    )
    assert done.stdout.strip() == "True"


@pytest.fixture(scope="module")
def market():
    """Bars of 8 symbols over 80 weekdays, and scores that know the next five days' return in part."""
    sessions = weekdays(80)
    bars = make_bars([f"SH60000{i}" for i in range(8)], sessions, seed=3)
    ahead = pl.col("close").shift(-5).over("symbol") / pl.col("close") - 1
    noise = pl.Series(np.random.default_rng(0).normal(0, 0.05, bars.height))
    scores = bars.with_columns(score=ahead + noise).filter(pl.col("score").is_not_null())
    return bars, scores.select("date", "symbol", "score")


def test_tables_in_a_result_out(market):
    bars, scores = market
    result = kq.backtest(bars, scores, topk=3, n_drop=1, exchange="XSHG")
    assert isinstance(result, kq.BacktestResult)
    assert len(repr(result)) < 2000
    assert "Sharpe ratio" in repr(result)
    assert "<table" in result._repr_html_()
    assert result.summary().columns == ["figure", "value"]
    assert isinstance(result.to_pandas(), pd.DataFrame)
    assert isinstance(result.plot(), matplotlib.figure.Figure)
    assert result.fills.height > 0


def test_pandas_and_polars_give_the_same_account(market):
    bars, scores = market
    one = kq.backtest(bars, scores, topk=3, n_drop=1)
    other = kq.backtest(bars.to_pandas(), scores.to_pandas(), topk=3, n_drop=1)
    assert np.array_equal(one.account, other.account)


def test_bars_without_a_factor_trade_as_they_are(market):
    bars, scores = market
    with_factor = kq.backtest(bars, scores, topk=3, n_drop=1)
    without = kq.backtest(bars.drop("factor"), scores, topk=3, n_drop=1)
    assert np.array_equal(with_factor.account, without.account)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda b, s: (b.drop("close"), s, {}), kq.DataError, "close"),
        (lambda b, s: (b, s.rename({"score": "date2"}).drop("date2"), {}), kq.DataError, "score"),
        (lambda b, s: ({"a": 1}, s, {}), kq.DataError, "bars"),
        (lambda b, s: (b, [1, 2], {}), kq.DataError, "scores"),
        (lambda b, s: (b, s, {"topk": 0}), kq.ConfigError, "topk"),
        (lambda b, s: (b, s, {"n_drp": 1}), kq.ConfigError, "n_drop"),
        (lambda b, s: (b, s, {"start": "05/06/2024"}), kq.ConfigError, "start"),
        (lambda b, s: (b, s.with_columns(symbol=pl.lit("X")), {}), kq.DataError, "symbol"),
        (lambda b, s: (pl.concat([b, b]), s, {}), kq.DataError, "more than one"),
    ],
)
def test_wrong_inputs_of_a_backtest_raise_our_errors(market, change, error, message):
    bars, scores, settings = change(*market)
    with pytest.raises(error, match=message):
        kq.backtest(bars, scores, **settings)


def test_rank_ic_of_tables(market):
    bars, scores = market
    found = kq.rank_ic(scores, bars, horizon=5)
    assert found.mean > 0.2
    assert "rank IC" in repr(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(kq.DataError, match="close"):
        kq.rank_ic(scores, bars.drop("close"))
    with pytest.raises(kq.ConfigError, match="horizon"):
        kq.rank_ic(scores, bars, horizon=0)


def test_a_workspace_opens_from_text_and_a_wrong_folder_is_said(tmp_path, monkeypatch):
    ws = kq.init(str(tmp_path / "research"))
    assert kq.open(str(ws.root / "signals")).root == ws.root
    assert repr(ws) == f"Workspace({str(ws.root)!r})"
    with pytest.raises(kq.ConfigError, match="no such folder"):
        kq.open(ws.root / "reserch")
    with pytest.raises(kq.ConfigError, match="not in a workspace"):
        kq.open("/")
    with pytest.raises(kq.ConfigError, match="path: expected a path"):
        kq.open(5)
    assert ws.runs().is_empty()


def test_bars_are_read_by_one_symbol_and_iso_dates(market_workspace):
    ws = kq.Workspace(market_workspace)
    symbol = ws.bars()["symbol"][0]
    one = ws.bars(symbol)
    assert one["symbol"].unique().to_list() == [symbol]
    first = one["date"][10]
    assert ws.bars(symbol, start=str(first), end=first).height == 1
    with pytest.raises(kq.DataError, match="unknown symbol 'MADE00011'"):
        ws.bars("MADE00011")
    with pytest.raises(kq.ConfigError, match="start: expected a date"):
        ws.bars(symbol, start="yesterday")


@pytest.mark.slow
def test_a_strategy_runs_by_name_object_path_and_mapping_alike(scored_workspace):
    ws = kq.Workspace(scored_workspace)
    settings = {"scores_file": "scores.csv", "topk": 4, "n_drop": 1, "hold_thresh": 2, "account": 1e6}
    results = [
        ws.backtest(each) for each in ("own", kq.Strategy(**settings), settings, ws.root / "strategies" / "own.yaml")
    ]
    for result in results:
        assert isinstance(result, kq.BacktestResult)
        assert (result.folder / "tearsheet.html").is_file()
        assert np.array_equal(result.account, results[0].account)
    runs = ws.runs("backtest")
    assert runs.height == len(results)
    assert set(runs["status"]) == {"finished"}
    with pytest.raises(kq.ConfigError, match="backtest"):
        ws.runs("bactest")


def test_the_whole_path_from_a_table_to_a_forecast(trained_workspace):
    ws = kq.Workspace(trained_workspace)
    signals = ws.signals()
    assert isinstance(signals, kq.Signals)
    assert len(repr(signals)) < 2000
    day = signals.frame["date"][0]
    forecast = ws.forecast(ws.bars()["symbol"][0], horizon=3)
    assert isinstance(forecast, kq.Forecast)
    assert isinstance(forecast.plot(), matplotlib.figure.Figure)
    assert forecast.quantiles().height == 3
    assert ws.universe(date=day).members
    assert set(ws.runs()["kind"]) >= {"train", "signal", "forecast"}
    with pytest.raises(kq.ConfigError, match="date"):
        ws.signals(date=day, start=day - timedelta(days=1))
    with pytest.raises(kq.DataError, match="after the data"):
        ws.signals(date=date(2199, 1, 1))


def test_a_forecast_of_a_table_needs_no_workspace(trained_workspace, market):
    bars, _ = market
    model = next((trained_workspace.root / "runs" / "train").glob("*/checkpoints/best"))
    forecast = kq.forecast(bars.filter(pl.col("symbol") == "SH600000").to_pandas(), model=model, horizon=4, samples=5)
    assert isinstance(forecast, kq.Forecast)
    assert forecast.paths.shape == (1, 5, 4, 6)
    with pytest.raises(kq.CheckpointError):
        kq.forecast(bars, model="no/such/model", horizon=4)
    with pytest.raises(kq.ConfigError, match="horizon"):
        kq.forecast(bars, model=model, horizon=0)


def with_offset(table):
    """The dates as instants of Shanghai's midnight, written in UTC."""
    shanghai = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Shanghai")
    return table.with_columns(shanghai.dt.convert_time_zone("UTC").alias("date"))


def test_dates_with_an_offset_are_those_of_the_symbols_exchange(market):
    bars, scores = market
    plain = kq.backtest(bars, scores, topk=3, n_drop=1)
    shifted = kq.backtest(bars, with_offset(scores), topk=3, n_drop=1)
    assert np.array_equal(plain.account, shifted.account)
    assert kq.rank_ic(with_offset(scores), bars, horizon=5).mean == kq.rank_ic(scores, bars, horizon=5).mean


@pytest.mark.parametrize("change", [{"close": 0.0}, {"close": -3.0}, {"open": float("inf")}, {"volume": -1.0}])
def test_bars_that_cannot_be_are_refused_with_symbol_and_date(market, change):
    bars, scores = market
    [(column, value)] = change.items()
    wrong = pl.when(pl.int_range(pl.len()) == 7).then(value).otherwise(pl.col(column)).cast(bars.schema[column])
    with pytest.raises(kq.DataError, match=r"bars: SH600000 \d{4}-\d\d-\d\d 00:00:00: [a-z_]+: "):
        kq.backtest(bars.with_columns(wrong.alias(column)), scores, topk=3, n_drop=1)


def test_results_are_compared_by_identity_and_can_be_keys(market):
    bars, scores = market
    one, other = (kq.backtest(bars, scores, topk=3, n_drop=1) for _ in range(2))
    assert one != other
    assert len({one, other}) == 2


def test_settings_are_given_by_dotted_name_or_by_section(tmp_path):
    root = kq.init(tmp_path).root
    for settings in ({"train.seed": 3}, {"train": {"seed": 3}}):
        assert kq.open(root, settings).config.train.seed == 3
    for wrong in (5, ["train.seed=3"], {"train": 3}, {1: 1}):
        with pytest.raises(kq.ConfigError, match="settings: expected a mapping"):
            kq.open(root, wrong)


def test_an_import_that_is_refused_leaves_nothing(market_workspace):
    ws = kq.Workspace(market_workspace)
    scores = ws.bars().select("date", "symbol", score="close")
    for horizon in ("x", 0):
        with pytest.raises(kq.ConfigError, match="horizon: expected a whole number"):
            ws.import_signals(scores, "mine", horizon=horizon)
    assert not (ws.root / "signals" / "mine.yaml").exists()
    ws.import_signals(scores, "mine", horizon=np.int64(5))
