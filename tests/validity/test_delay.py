from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from validity.cases import run, walks

from kronos_quant.backtest import simulate
from kronos_quant.backtest.qlib.market import derived_facts
from kronos_quant.validity.robustness import delayed_metrics


@pytest.mark.parametrize("fields", [{}, {"strategy": "topk_rebalance", "every": 2}, {"profile": "qlib"}])
def test_a_later_start_is_a_run_on_the_scores_of_a_session_earlier(fields):
    panel = walks(60, 15)
    strategy, rules, result = run(panel, **fields)
    facts = derived_facts(panel)
    later = np.vstack([np.full((1, 15), np.nan), panel.score[:-1]])
    expected = simulate(strategy, replace(panel, score=later), rules, qlib=facts).metrics
    found = delayed_metrics(strategy, panel, rules, facts, None, result.sessions_per_year)
    np.testing.assert_equal(found, expected)


def test_an_edge_of_one_session_is_gone_a_session_later():
    panel = walks(250, 30, seed=1, edge=0.5)
    strategy, rules, result = run(panel, n_drop=8, hold_thresh=0)
    later = delayed_metrics(strategy, panel, rules, None, None, 252)
    assert result.metrics["sharpe_ratio"] > 3
    assert later["sharpe_ratio"] < result.metrics["sharpe_ratio"] / 2


def test_a_users_own_function_is_not_called_again():
    panel = walks(30, 10)
    strategy, rules, _ = run(panel)
    own = strategy.model_copy(update={"strategy": "python"})
    assert delayed_metrics(own, panel, rules, None, None, 252) is None


def test_a_delay_that_leaves_nothing_to_trade_on_has_no_figures():
    panel = walks(2, 10)
    strategy, rules, _ = run(panel)
    assert delayed_metrics(strategy, panel, rules, None, None, 252) is None
    longer = walks(3, 10)
    strategy, rules, _ = run(longer)
    assert delayed_metrics(strategy, longer, rules, None, None, 252)["trades"] > 0
