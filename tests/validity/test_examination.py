from __future__ import annotations

import json

import numpy as np
import pytest
from validity.cases import background, run, walks

from kronos_quant.files import to_json
from kronos_quant.validity import (
    TrialRow,
    assess_luck,
    examine,
    read_trials,
    record_trials,
    universe_returns,
    without_universe,
)


def examined(tmp_path, **fields):
    panel = walks(90, 24, seed=6)
    _, rules, result = run(panel, **fields)
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
