from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from validity.cases import background, run, walks

from kronos_quant.files import to_json
from kronos_quant.stats.selection import DeflatedSharpe, ReturnMoments
from kronos_quant.validity.examination import examine
from kronos_quant.validity.holdings import universe_returns, without_universe
from kronos_quant.validity.luck import assess_luck
from kronos_quant.validity.trials import TrialRow, read_trials, record_trials


def examined(tmp_path, **fields):
    panel = walks(90, 24, seed=6)
    _, rules, result = run(panel, **{"liquidity": {"impact": 1.0, "participation": 0.1}} | fields)
    edge = without_universe(result.returns, universe_returns(panel))
    record_trials(tmp_path, "r", "s", "p", result.dates, [TrialRow("own", "{}", result.returns, edge)])
    luck = assess_luck(result.returns, edge, read_trials(tmp_path), None, result.sessions_per_year)
    return result, examine(result, panel, rules, None, background(panel, 7), luck)


def test_everything_is_asked_of_a_back_test(tmp_path):
    result, found = examined(tmp_path)
    assert found.regression is None  # there is no benchmark
    assert found.legs is None
    assert found.delayed["sessions_per_year"] == 252
    assert found.capacity.sizes
    assert found.without_size["impact"] == 0 < result.metrics["impact"]
    assert found.effects[0].name == "market impact and participation"
    assert found.effects[0].annual_return == found.without_size["annual_return"]
    assert found.attribution.total == pytest.approx(result.returns.mean() * 252)


def test_the_figures_are_plain_and_json(tmp_path):
    result, found = examined(tmp_path, strategy="long_short_quantile", quantile=0.25, every=4)
    figures = json.loads(to_json(found.as_dict()), parse_constant=pytest.fail)
    assert figures["trials"] == 1
    assert isinstance(figures["deflated_sharpe_passes"], bool)
    legs = figures["legs"]
    together = legs["long"]["annual_return"] + legs["short"]["annual_return"]
    assert together == pytest.approx(result.returns.mean() * 252)
    assert legs["long"]["mean_weight"] > 0 > legs["short"]["mean_weight"]
    assert figures["attribution"][0]["name"] == "market"
    assert figures["capacity"]["summary"]
    assert figures["delayed_one_session"].keys() == result.metrics.keys()


def test_flat_returns_can_be_examined_too(tmp_path):
    result, found = examined(tmp_path, account=1.0, lot=100)
    assert not result.returns.any()
    assert not found.luck.passes
    assert found.attribution.total == 0
    assert all(part.annual_return == 0 or np.isnan(part.annual_return) for part in found.attribution.parts)


def test_a_significant_result_above_its_capacity_fails_at_the_account(tmp_path):
    _, found = examined(tmp_path)
    passing = replace(found, luck=replace(found.luck, whole=SURE, edge=SURE))
    assert passing.lines() == passing.luck.lines()
    assert passing.warnings() == []
    large = replace(found.capacity, own=replace(found.capacity.own, edge=-0.01))
    failing = replace(passing, capacity=large)
    assert failing.warnings() == [large.verdict()]
    assert failing.lines() == [large.verdict(), *passing.luck.lines()[1:]]
    # what is not significant anyway needs no other reason
    assert replace(found, capacity=large).lines() == found.luck.lines()


SURE = DeflatedSharpe(0.99, 0.0, 1, 0.0, ReturnMoments(90, 0.3, 0.0, 3.0))
