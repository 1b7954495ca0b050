from __future__ import annotations

import re

import numpy as np
import pytest
from backtest.markets import random_market

from kronos_quant.backtest import Strategy, rules_of, simulate
from kronos_quant.backtest.qlib.market import derived_facts
from kronos_quant.backtest.sweep import make_trials, market_key, run_trials
from kronos_quant.errors import ConfigError

BASE = {"topk": 4, "n_drop": 1, "hold_thresh": 1, "account": 1e5}


def swept(strategy: Strategy, grid, panel, facts=None, threads=2):
    trials, _ = make_trials(strategy, grid)
    done = run_trials(trials, panel, lambda other: rules_of(other, panel), facts, None, threads)
    return {one.trial.key: one for one in done}


@pytest.mark.parametrize(
    "fields",
    [{}, {"profile": "qlib"}, {"strategy": "topk_rebalance"}, {"liquidity": {"participation": 0.1, "impact": 0.5}}],
)
def test_every_trial_has_the_figures_of_a_run_of_its_own(fields):
    panel, _, _ = random_market(5)
    strategy = Strategy.model_validate(BASE | fields)
    facts = derived_facts(panel)
    grid = {"topk": [1, 3, 5], "fill": ["open", "close"], "costs.minimum": [0, 40.0]}
    found = swept(strategy, grid, panel, facts)
    assert len(found) == 12
    for trial in make_trials(strategy, grid)[0]:
        alone = simulate(trial.strategy, panel, qlib=facts)
        assert found[trial.key].figures.keys() == alone.metrics.keys()
        np.testing.assert_equal(list(found[trial.key].figures.values()), list(alone.metrics.values()))
        np.testing.assert_array_equal(found[trial.key].returns, alone.returns)


def test_the_number_of_threads_changes_nothing():
    panel, _, _ = random_market(6)
    grid = {"topk": [1, 2, 3, 4], "hold_thresh": [1, 2, 3]}
    strategy = Strategy.model_validate(BASE)
    one, four = (swept(strategy, grid, panel, threads=threads) for threads in (1, 4))
    assert one.keys() == four.keys()
    for key, done in one.items():
        np.testing.assert_equal(done.figures, four[key].figures)
        np.testing.assert_array_equal(done.returns, four[key].returns)


def test_trials_that_decide_differently_share_a_market():
    base = Strategy.model_validate(BASE)
    same = base.model_copy(update={"topk": 9, "n_drop": 0, "account": 1.0})
    assert market_key(same) == market_key(base)
    assert market_key(base.model_copy(update={"fill": "close"})) != market_key(base)


def test_combinations_that_make_no_strategy_are_left_out_and_told():
    trials, refused = make_trials(Strategy.model_validate(BASE), {"topk": [2, 9], "n_drop": [1, 5]})
    assert [dict(trial.values) for trial in trials] == [
        {"topk": 2, "n_drop": 1},
        {"topk": 9, "n_drop": 1},
        {"topk": 9, "n_drop": 5},
    ]
    assert refused == ["topk=2, n_drop=5: n_drop must be at most topk (2), found 5"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"universe": ["all"]}, "--grid universe: cannot be swept: it changes what is traded"),
        ({"topkk": [1]}, "--grid: topkk: no such field; did you mean topk?"),
        ({"costs.tax": [1]}, "--grid: costs.tax: no such field; nearest names: "),
        ({"topk.deep": [1]}, "topk.deep=1: topk: must be an integer, found {'deep': 1}"),
        ({"topk": [5, 0]}, "--grid: topk: must be greater than or equal to 1, found 0"),
        ({"fill": ["open", "closed"]}, "--grid: fill: must be 'open', 'close', 'vwap' or 'twap', found 'closed'"),
        ({"topk": ["abc"]}, "--grid: topk: must be an integer, found 'abc'"),
        ({"costs.buy": [0.1, -0.1]}, "--grid: costs.buy: must be greater than or equal to 0, found -0.1"),
        ({"topk": [2], "n_drop": [3]}, "--grid: no valid combination: topk=2, n_drop=3: n_drop must be at"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused(grid, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_trials(Strategy.model_validate(BASE), grid)
