"""Wrong calls of the Python front door: each is an error of ours in one line, and none of a library."""

from datetime import timedelta

import pandas as pd
import polars as pl
import pytest

import kronos_quant as kq


class Known:
    """What the calls are made with."""

    def __init__(self, workspace):
        self.ws = kq.Workspace(workspace)
        self.bars, self.sessions = self.ws.bars(), self.ws.market().sessions()
        self.symbol, self.root = self.bars["symbol"][0], self.ws.root
        self.scores = self.bars.select("date", "symbol", score="close")
        self.closed = next(
            one + timedelta(1) for one, other in zip(self.sessions, self.sessions[1:], strict=False)
            if (other - one).days > 2
        )  # fmt: skip
        self.forecaster = untrained_forecaster()

    def forecast(self, **given):
        return kq.forecast(self.bars, self.forecaster, 3, **{"samples": 2} | given)

    def backtest(self, **given):
        return kq.backtest(self.bars, self.scores, **{"topk": 3, "n_drop": 1} | given)

    def settings(self, **given):
        return {"scores_file": "scores.csv", "topk": 4, "n_drop": 1} | given


def untrained_forecaster():
    from kronos_quant.model import PRESETS, Kronos, KronosTokenizer

    nano = PRESETS["nano"]
    return kq.Forecaster(KronosTokenizer(nano.tokenizer), Kronos(nano.predictor), device="cpu")


@pytest.fixture(scope="module")
def known(shared_folder, market_folder):
    import shutil

    from made import write_scores

    from kronos_quant.workspace import open_workspace_folder

    def make(folder):
        shutil.copytree(market_folder, folder, dirs_exist_ok=True)
        write_scores(open_workspace_folder(folder), "scores.csv", 30)
        (folder / "strategies" / "own.yaml").write_text("scores: scores.csv\ntopk: 4\nn_drop: 1\n")
        ws = kq.open(folder)
        ws.import_signals(ws.bars().select("date", "symbol", score="close"), "mine")

    return Known(open_workspace_folder(shared_folder("wrong-calls", make)))


FLAG, SEED, COUNT = "expected True or False", "expected a whole number of at least 0", "expected a whole number"
WRONG = {
    # flags, seeds and counts
    "signals allow_code": (lambda k: k.ws.signals("mine", allow_code="no"), FLAG),
    "signals gpus": (lambda k: k.ws.signals("mine", gpus=True), COUNT),
    "backtest allow_code": (lambda k: k.ws.backtest("own", allow_code="no"), FLAG),
    "backtest compute": (lambda k: k.ws.backtest("own", compute=0), FLAG),
    "sweep compute": (lambda k: k.ws.sweep("own", {"topk": [3, 4]}, compute="no"), FLAG),
    "parity compute": (lambda k: k.ws.parity("own", compute=None), FLAG),
    "train resume": (lambda k: k.ws.train(0, resume="no"), FLAG),
    "train gpus": (lambda k: k.ws.train(True), COUNT),
    "evaluate zero_shot": (lambda k: k.ws.evaluate("mine", zero_shot="no"), FLAG),
    "import replace": (lambda k: k.ws.import_signals(k.scores, "other", replace="no"), FLAG),
    **{
        f"forecast seed {seed!r}": (lambda k, seed=seed: k.forecast(seed=seed), f"seed: {SEED}")
        for seed in ("x", 1.5, True, -1)
    },
    "forecast samples": (lambda k: k.forecast(samples=True), "samples: expected a whole number"),
    "forecast top_k": (lambda k: k.forecast(top_k=1.5), "top_k: expected a whole number"),
    "forecast temperature": (lambda k: k.forecast(temperature="x"), "temperature: expected a number from 0 to 100"),
    "rank_ic horizon": (lambda k: kq.rank_ic(k.scores, k.bars, True), "horizon: expected a whole number"),
    "forecast samples huge": (lambda k: k.forecast(samples=10**12), "samples: expected at most 100,000, found"),
    "sweep huge": (
        lambda k: k.ws.sweep("own", {"topk": range(1, 2000), "n_drop": range(2000)}),
        "--grid: expected at most 100,000 combinations, found 3,998,000",
    ),
    "strategy flag": (lambda k: kq.Strategy(topk=True), "strategy: topk: must be an integer, found True"),
    "strategy nested flag": (
        lambda k: kq.Strategy(costs={"commission": True}),
        "strategy: costs: commission: must be a number, found True",
    ),
    "settings flag": (lambda k: kq.open(k.root, {"train.batch_size": True}), "batch_size: must be an integer"),
    "open file": (lambda k: kq.open(k.root / "kq.yaml"), "kq.yaml: is a file, expected a folder"),
    # forms of arguments
    "bars NaT": (lambda k: k.ws.bars(start=pd.NaT), "start: expected a date such as 2025-06-05, found NaT"),
    "bars mapping": (lambda k: k.ws.bars({k.symbol: 1}), "symbols: expected a symbol or a list of symbols"),
    "bars bytes": (lambda k: k.ws.bars(b"MADE0001"), "list of symbols, found b'MADE0001'"),
    "intervals swapped": (lambda k: k.ws.ingest_intervals(k.bars, "st"), "intervals: expected st, listing, industry"),
    "universe swapped": (lambda k: k.ws.ingest_universe(k.bars, "mine"), "universe name: expected letters"),
    "import swapped": (lambda k: k.ws.import_signals("mine", k.scores), "--name: expected letters"),
    "ingest symbol": (
        lambda k: k.ws.ingest(k.bars, symbol="AAA"),
        "symbol: 'AAA' would rename every row: column symbol of table names",
    ),
    "best": (lambda k: k.ws.signals("mine").best("x"), "n: expected a whole number"),
    # arguments of another kind
    "evaluate against 5": (lambda k: k.ws.evaluate("mine", against=5), "against: expected a text, found 5"),
    "evaluate against [5]": (lambda k: k.ws.evaluate("mine", against=[5]), "against: expected a text, found 5"),
    "sweep None": (lambda k: k.ws.sweep("own", None), "grid: expected a text, found None"),
    "sweep [5]": (lambda k: k.ws.sweep("own", [5]), "grid: expected a text, found 5"),
    "sweep {5: ..}": (lambda k: k.ws.sweep("own", {5: [1]}), "grid: expected a text, found 5"),
    "sweep ray": (lambda k: k.ws.sweep("own", {"topk": [3, 4]}, ray=5), "ray: expected a text, found 5"),
    "Workspace": (lambda k: kq.Workspace("ws"), "Workspace: expected an opened folder, found 'ws'"),
    "plot width x": (lambda k: k.backtest().plot(width="x"), "width: expected a number above 0, at most 100"),
    "plot width 0": (lambda k: k.backtest().plot(width=0), "width: expected a number above 0, at most 100, found 0"),
    "a changed setting": (lambda k: setattr(kq.Strategy(topk=9), "topk", 5), "strategy: topk: settings cannot be"),
    "a nameless setting": (lambda k: kq.Strategy("topk"), "strategy: settings are given by name"),
    "settings by number": (lambda k: k.ws.backtest({5: 1}), "strategy: 5: must be fields by name"),
    "backtest device": (lambda k: k.ws.backtest("own", device=5), "device: expected auto, cpu"),
    "signals device": (lambda k: k.ws.signals("mine", device=5), "device: expected auto, cpu"),
    "Forecaster": (lambda k: kq.Forecaster(5, 5), "expected a tokenizer and a predictor"),
    "quantiles 5": (lambda k: k.forecast().quantiles(5), "levels: expected probabilities from 0 to 1, found 5"),
    "quantiles x": (lambda k: k.forecast().quantiles(["x"]), "levels: expected probabilities from 0 to 1, found 'x'"),
    "scaled": (lambda k: k.forecast().scaled("x"), "factor: expected a number above 0, at most 1e15"),
    "open a NUL": (lambda k: kq.open("a\0b"), "path: expected a path"),
    "init in a file system that refuses": (lambda k: kq.init("/proc/x"), "/proc/x: cannot be created"),
    # places
    "check page": (lambda k: k.ws.check(k.root / "lost" / "a.html"), "page: no such folder"),
    "check page in a folder": (lambda k: k.ws.check(k.root), "page: expected a file to write"),
    # dates and ranges
    "forecast on a closed day": (lambda k: k.ws.forecast(k.symbol, date=k.closed), "is not a session: the nearest"),
    "asof on a closed day": (lambda k: k.forecast(asof=k.closed), "is not a session: the nearest are"),
    "asof after the bars": (lambda k: k.forecast(asof="2199-01-01"), "2199-01-01 is after the data, which end on"),
    "asof before the bars": (lambda k: k.forecast(asof="1999-01-01"), "1999-01-01 is before the data, which begin"),
    "signals on a closed day": (lambda k: k.ws.signals("mine", date=k.closed), "is not a session: the nearest are"),
    **{
        f"{name} without a session": (call, "is not a session: the nearest are")
        for name, call in {
            "bars": lambda k: k.ws.bars(start=k.closed, end=k.closed),
            "signals": lambda k: k.ws.signals("mine", start=k.closed, end=k.closed),
            "evaluate": lambda k: k.ws.evaluate("mine", start=k.closed, end=k.closed),
            "ws.backtest": lambda k: k.ws.backtest(k.settings(start=k.closed, end=k.closed)),
            "kq.backtest": lambda k: k.backtest(start=k.closed, end=k.closed),
        }.items()
    },
    "bars after the data": (lambda k: k.ws.bars(start="2199-01-01"), "2199-01-01 is after the data, which end on"),
    "bars before the data": (lambda k: k.ws.bars(end="1999-01-01"), "1999-01-01 is before the data, which begin"),
    "backtest after the data": (lambda k: k.backtest(start="2199-01-01"), "2199-01-01 is after the data"),
    "swapped": (lambda k: k.ws.signals("mine", start=k.sessions[9], end=k.sessions[5]), "start .* is after end"),
    # symbols
    "forecast of no row": (lambda k: k.forecast(symbol="NOPE"), "bars: no row of symbol 'NOPE': found MADE0000"),
    "forecast of 5": (lambda k: k.forecast(symbol=5), "symbol: expected a text, found 5"),
    "no common symbol": (
        lambda k: kq.backtest(k.bars, k.scores.with_columns(symbol=pl.lit("X"))),
        "no symbol in common with the bars: X here, MADE0000, MADE0001, MADE0002 and 10 more there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_call_is_one_line_of_ours(known, name):
    call, message = WRONG[name]
    before = sorted(path for path in known.root.rglob("*") if "runs" not in path.parts)
    with pytest.raises(kq.KronosQuantError, match=message) as caught:
        call(known)
    assert "\n" not in str(caught.value)
    assert sorted(path for path in known.root.rglob("*") if "runs" not in path.parts) == before


def test_the_bounds_of_a_range_need_not_be_sessions(known):
    after = next(day for day in known.sessions if day > known.closed)
    assert known.ws.bars(start=known.closed)["date"].min() == after
    assert known.ws.signals("mine", start=known.closed, end=after).dates == [after]
    assert (
        known.ws.backtest(known.settings(start=known.sessions[-20], end="2199-01-01")).dates[-1] == known.sessions[-1]
    )
    result = known.backtest(start=known.closed, end=known.sessions[-1])
    assert result.dates[0] == known.sessions[known.sessions.index(after) + 1]


def test_a_symbol_of_a_table_with_several_is_selected(known):
    one = known.forecast(symbol=known.symbol)
    assert one.symbols == (known.symbol,)
    assert (one.paths == known.forecast().paths[:1]).all()


def test_the_dates_of_a_strategy_may_be_stamps(known):
    import pandas as pd

    day = known.sessions[-10]
    for given in (pd.Timestamp(day), day, str(day)):
        assert kq.Strategy(start=given).start == day


def test_a_workspace_without_models_has_the_columns_of_one_with_some(known):
    table = known.ws.models()
    assert table.height == 0
    assert {"name", "kind", "parameters", "latest", "folder"} <= set(table.columns)
