"""The calibrated intervals of a generator that is far too sure of itself, and what they may look at."""

import numpy as np
import pytest
from scipy.stats import norm

from kronos_quant.signals import CALIBRATED, LEVELS, Calibration, calibrate

HELD_OUT, SYMBOLS, WARM = 500, 20, 260
SETTINGS = Calibration(sessions=250, least=200)


def overconfident(seed, dates=HELD_OUT + WARM, symbols=SYMBOLS, horizon=1):
    """Forecasts with a bias and a spread several times too small, of returns with fat tails and a common factor."""
    rng = np.random.default_rng(seed)
    width = np.exp(0.4 * rng.standard_normal((dates, symbols))) * 0.02
    centre = 0.01 * rng.standard_normal((dates, symbols))
    shock = 0.6 * rng.standard_t(5, (dates, 1)) + 0.8 * rng.standard_t(5, (dates, symbols))
    realised = centre + 0.003 + width * shock
    claimed = 0.2 * width * 2 * norm.ppf(0.95)
    return centre, claimed, realised


def coverage(low, high, realised):
    known = np.isfinite(low)
    return ((realised >= low) & (realised <= high))[known].mean()


def test_an_overconfident_generator_is_covered_as_claimed_over_20_seeds():
    raw, held = [], []
    for seed in range(20):
        median, spread, realised = overconfident(seed)
        found = calibrate(median, spread, realised, 1, SETTINGS).quantiles[WARM:]
        assert np.isfinite(found).all()
        raw.append(coverage(median - spread / 2, median + spread / 2, realised))
        held.append(coverage(found[..., 0], found[..., -1], realised[WARM:]))
    assert np.mean(raw) < 0.35
    assert 0.88 <= np.mean(held) <= 0.92
    assert all(0.84 <= each <= 0.96 for each in held)


def test_every_level_and_the_probability_of_a_rise_come_true():
    median, spread, realised = overconfident(3, dates=1500)
    found = calibrate(median, spread, realised, 1, SETTINGS)
    for i, level in enumerate(LEVELS):
        assert (realised < found.quantiles[..., i])[WARM:].mean() == pytest.approx(level, abs=0.02)
    p, rose = found.p_rise[WARM:].ravel(), (realised > 0)[WARM:].ravel()
    for low in (0.2, 0.4, 0.6):
        inside = (p >= low) & (p < low + 0.2)
        assert rose[inside].mean() == pytest.approx(p[inside].mean(), abs=0.04)


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_date_uses_an_outcome_that_was_not_known_yet(horizon):
    median, spread, realised = overconfident(0, dates=400)
    before = calibrate(median, spread, realised, horizon, SETTINGS)
    t = 350
    # the outcomes of the forecasts of t - horizon + 1 and later lie after t
    changed = realised.copy()
    changed[t - horizon + 1 :] = 9.0
    after = calibrate(median, spread, changed, horizon, SETTINGS)
    assert np.array_equal(before.quantiles[: t + 1], after.quantiles[: t + 1], equal_nan=True)
    assert np.array_equal(before.p_rise[: t + 1], after.p_rise[: t + 1], equal_nan=True)
    assert not np.array_equal(before.quantiles[t + 1], after.quantiles[t + 1])


def test_the_quantiles_by_hand():
    # residuals -1, 0, 1 of three known forecasts: with n + 1 = 4, the quartiles are the first and the third
    settings = Calibration.model_construct(method="conformal", sessions=3, least=3)
    median, spread = np.zeros((4, 1)), np.array([[1.0], [1.0], [1.0], [2.0]])
    median[3] = 0.5
    found = calibrate(median, spread, np.array([[-1.0], [0.0], [1.0], [7.0]]), 1, settings)
    assert np.isnan(found.quantiles[:3]).all()
    by_name = dict(zip(CALIBRATED, found.quantiles[3, 0], strict=True))
    assert (by_name["cal_q25"], by_name["cal_q50"], by_name["cal_q75"]) == pytest.approx((-1.5, 0.5, 2.5))
    # residuals above -0.25: 0 and 1 of three
    assert found.p_rise[3, 0] == pytest.approx(2.5 / 4)


def test_what_cannot_be_learned_from_is_left_out_and_too_little_is_nothing():
    median, spread, realised = overconfident(1, dates=300)
    realised[5] = np.nan
    spread[7, 3] = 0
    found = calibrate(median, spread, realised, 1, SETTINGS)
    assert np.isnan(found.quantiles[:10]).all()  # fewer than 200 residuals
    assert np.isfinite(found.quantiles[12:]).all()
    spread[20] = np.nan
    found = calibrate(median, spread, realised, 1, SETTINGS)
    assert np.isnan(found.quantiles[20]).all()
    assert np.isnan(found.p_rise[20]).all()
    assert np.isfinite(found.quantiles[21]).all()


def test_the_quantiles_are_in_order():
    found = calibrate(*overconfident(2, dates=300), 1, SETTINGS).quantiles[WARM:]
    assert (np.diff(found, axis=-1) >= 0).all()
