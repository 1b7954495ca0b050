import math

import numpy as np
import pytest
from scipy import stats

from kronos_quant.evaluation import MeanEstimate, estimate_mean


def test_the_estimate_agrees_with_scipys_t_test():
    values = np.array([0.1, 0.2, np.nan, -0.05, 0.3])
    estimate = estimate_mean(values)
    finite = values[np.isfinite(values)]
    assert estimate.count == 4
    assert estimate.mean == pytest.approx(finite.mean())
    assert estimate.t == pytest.approx(stats.ttest_1samp(finite, 0).statistic)
    assert str(estimate) == "+0.138 ± 0.075 (t 1.8, 4 dates)"


def test_too_few_dates_have_no_error_and_no_t():
    one, none = estimate_mean(np.array([0.1])), estimate_mean(np.array([np.nan]))
    assert one.mean == 0.1
    assert math.isnan(one.t)
    assert math.isnan(none.mean)
    assert math.isnan(MeanEstimate(0.1, 0.0, 3).t)
