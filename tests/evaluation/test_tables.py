import json
import math

import numpy as np
import polars as pl
import pytest
from evaluation.forecasts import LEVELS
from evaluation.markets import made_grid, seeing

from kronos_quant.display import figure_or_dash
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.scorecard import make_scorecard
from kronos_quant.evaluation.tables import FIGURES, span, summary
from kronos_quant.files import to_json
from kronos_quant.stats.intervals import MeanInterval

ROWS = np.arange(130, 190)
GRID = made_grid(symbols=20, sessions=200)


@pytest.fixture(scope="module")
def card():
    shape = (len(ROWS), 20)
    quantiles = np.broadcast_to(np.linspace(-0.06, 0.06, 9), (*shape, 9)).copy()
    forecast = Distribution(LEVELS, quantiles, np.full(shape, 0.6), np.full(shape, 0.001))
    scores = seeing(GRID, ROWS, 5, 2.0)
    return make_scorecard(Contender("signal", "made <b>", scores, forecast), GRID, ROWS, 5)


def test_the_metrics_are_valid_json_with_the_finding_first(card):
    told = json.loads(to_json(card.as_dict()))
    assert next(iter(told)) == "finding"
    assert told["edge"] is True
    assert told["edge_means"].startswith("the lower end of the two-sided 95% interval of the mean rank IC")
    assert list(told["contenders"]) == ["signal", "last close", "volatility band", "momentum", "reversal", "LightGBM"]
    own = told["contenders"]["signal"]
    ranking = card.signal.ranking
    assert own["ranking"]["rank_ic"]["mean"] == ranking.rank_ic.mean
    assert own["ranking"]["rank_ic"]["newey_west"]["lags"] == ranking.newey_west.lags
    assert own["ranking"]["rank_ic"]["icir"] == pytest.approx(ranking.rank_ic.mean / ranking.rank_ic.std)
    assert own["ranking"]["rank_ic"]["icir_low"] == pytest.approx(ranking.rank_ic.low / ranking.rank_ic.std)
    assert own["ranking"]["signal_minus_baseline"] is None
    assert sorted(own["distribution"]["coverage"]) == ["0.5", "0.8", "0.9", "0.95"]
    assert sum(own["distribution"]["pit"]["shares"]) == pytest.approx(1)
    assert told["contenders"]["last close"]["ranking"] is None
    assert told["contenders"]["momentum"]["distribution"] is None


def test_a_figure_that_is_not_defined_is_null(card):
    told = json.loads(to_json(card.as_dict()))
    assert told["contenders"]["last close"]["distribution"]["pit"]["ks"] is None


def test_the_long_table_has_a_row_a_figure(card):
    table = card.figures
    assert table.schema == pl.Schema(FIGURES)
    own = table.filter((pl.col("contender") == "signal") & (pl.col("figure") == "rank_ic") & (pl.col("detail") == ""))
    found = card.signal.ranking.rank_ic
    numbers = (found.mean, found.low, found.high, found.std_error, found.dates)
    assert own.rows() == [("signal", "rank_ic", "", *numbers)]
    fifths = table.filter((pl.col("contender") == "signal") & (pl.col("figure") == "fifth_excess_return"))
    assert fifths["detail"].to_list() == ["1", "2", "3", "4", "5"]
    assert table.filter(pl.col("figure") == "rank_ic_decay")["contender"].n_unique() == 4
    assert table.filter(pl.col("detail").str.starts_with("year: "))["dates"].sum() == card.signal.ranking.rank_ic.dates


def test_the_daily_table_has_every_date_of_every_contender(card):
    table = card.by_date
    assert table.height == len(card.dates) * len(card.cards)
    own = table.filter(pl.col("contender") == "signal")
    np.testing.assert_array_equal(own["rank_ic"].to_numpy(), card.signal.ranking.rank_ic_by_date)
    assert table.filter(pl.col("contender") == "last close")["rank_ic"].null_count() == len(card.dates)
    assert table.filter(pl.col("contender") == "momentum")["crps"].null_count() == len(card.dates)


def test_the_short_table_has_a_row_a_contender_and_dashes_where_there_is_nothing(card):
    rows = summary(card.cards)
    assert [row[""] for row in rows] == [one.name for one in card.cards]
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0]["rank IC"] == f"{card.signal.ranking.rank_ic.mean:+.3f}"
    assert rows[0]["signal minus baseline"] == "-"
    assert rows[1]["rank IC"] == "-"
    assert rows[3]["CRPS"] == "-"
    assert rows[0]["scored"] == "100%"


def test_figures_in_words():
    assert figure_or_dash(math.nan, "{:.2f}") == "-"
    assert figure_or_dash(0.123, "{:.1%}") == "12.3%"
    assert span(MeanInterval(0.1, 0.1, -0.1, 0.3, 50, 5, 1.0)) == "-0.100 to +0.300"
    assert span(None) == "-"


def test_a_scorecard_shows_itself_by_its_key_figures(card):
    shown_figures = dict(card.summary().rows())
    assert shown_figures["verdict"] == card.finding.headline
    assert shown_figures["rank IC"] == card.signal.ranking.rank_ic.text()
    assert shown_figures["horizon"] == "5 sessions"
    text, page = repr(card), card._repr_html_()
    assert text.startswith("Scorecard: made <b>; ")
    assert "rank IC minus momentum" in text
    assert "made &lt;b&gt;" in page
    assert card.to_pandas().equals(card.figures.to_pandas())
