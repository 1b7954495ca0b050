import math

import numpy as np
import pytest
import scoringrules
from scipy import stats

from kronos_quant.evaluation.distribution import brier, point_errors, reliability


def test_brier_agrees_with_scoringrules():
    rng = np.random.default_rng(4)
    p, outcome = rng.random((5, 9)), rng.standard_normal((5, 9))
    expected = scoringrules.brier_score((outcome > 0).astype(float), p).mean()
    assert brier(p, outcome) == pytest.approx(expected, abs=1e-9)
    assert brier(np.full((5, 9), 0.5), outcome) == pytest.approx(0.25)
    outcome[0] = np.nan
    assert brier(p, outcome) == pytest.approx(((p - (outcome > 0)) ** 2)[1:].mean())


def test_reliability_by_hand():
    p = np.array([[0.05, 0.31, 0.39, 1.0, 0.7]])
    outcome = np.array([[-1.0, 1.0, -1.0, 1.0, np.nan]])
    found = reliability(p, outcome)
    assert found.count.tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]
    assert found.forecast[[0, 3, 9]].tolist() == pytest.approx([0.05, 0.35, 1.0])
    assert found.rose[[0, 3, 9]].tolist() == [0.0, 0.5, 1.0]
    assert math.isnan(found.rose[1])


def test_errors_of_the_point_by_hand_and_against_scikit_learn():
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    rng = np.random.default_rng(5)
    outcome = rng.standard_normal((6, 8))
    point = 0.3 * outcome + 0.2 * rng.standard_normal((6, 8))
    found = point_errors(point, outcome)
    a, b = outcome.ravel(), point.ravel()
    assert found.mae == pytest.approx(mean_absolute_error(a, b), abs=1e-9)
    assert found.mse == pytest.approx(mean_squared_error(a, b), abs=1e-9)
    assert found.r2 == pytest.approx(r2_score(a, b), abs=1e-9)
    assert found.r2_against_last_close == pytest.approx(1 - ((a - b) ** 2).sum() / (a**2).sum())
    assert found.correlation == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
    assert found.directional_accuracy == pytest.approx((np.sign(a) == np.sign(b)).mean())


def test_no_change_has_no_direction_and_no_correlation():
    found = point_errors(np.zeros((2, 3)), np.array([[0.1, -0.2, 0.0], [np.nan, 0.3, 0.1]]))
    assert math.isnan(found.correlation)
    assert math.isnan(found.directional_accuracy)
    assert found.r2_against_last_close == 0
    assert math.isnan(point_errors(np.zeros((1, 1)), np.full((1, 1), np.nan)).mae)
