"""The calibrated intervals of a generator that is far too sure of itself, and what they may look at."""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from kronos_quant.signals import LEVELS
from kronos_quant.signals.calibration import CALIBRATED, Calibration, _pools, calibrate
from kronos_quant.signals.moments import Moments

HELD_OUT, SYMBOLS, WARM = 300, 20, 260
SETTINGS = Calibration(sessions=250, least=200)
LOW, HIGH = LEVELS.index(0.05), LEVELS.index(0.95)


def moments_of(dates, a_session=1):
    """Moments at every bar of a market with so many bars a session."""
    bar = np.arange(dates)
    times = np.datetime64("2020-01-01T00:00", "us") + bar
    return Moments(times, [], bar // a_session, bar, np.ones(dates, dtype=bool), bar // a_session)


def calibrated(median, spread, realised, horizon, settings=SETTINGS, a_session=1, wanted=None):
    """Every moment calibrated, or the wanted ones."""
    moments = moments_of(len(median), a_session)
    wanted = np.arange(len(median)) if wanted is None else wanted
    return calibrate(median, spread, realised, moments, horizon, settings, wanted)


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
    wanted = np.arange(WARM, HELD_OUT + WARM, 5)
    for seed in range(20):
        median, spread, realised = overconfident(seed)
        found = calibrated(median, spread, realised, 1, wanted=wanted).quantiles
        assert np.isfinite(found).all()
        raw.append(coverage(median - spread / 2, median + spread / 2, realised))
        held.append(coverage(found[..., LOW], found[..., HIGH], realised[wanted]))
    assert np.mean(raw) < 0.35
    assert 0.88 <= np.mean(held) <= 0.92
    assert all(0.84 <= each <= 0.96 for each in held)


def overlapping(seed, horizon, dates=HELD_OUT + WARM, symbols=SYMBOLS):
    """Forecasts of returns over some sessions, each of which the next forecasts share but one; far too sure."""
    rng = np.random.default_rng(seed)
    width = 0.02 * np.exp(0.4 * rng.standard_normal(symbols))
    shocks = 0.6 * rng.standard_t(5, (dates + horizon, 1)) + 0.8 * rng.standard_t(5, (dates + horizon, symbols))
    total = np.vstack([np.zeros(symbols), np.cumsum(width * shocks, axis=0)])
    realised = total[horizon : horizon + dates] - total[:dates]
    median = 0.005 * rng.standard_normal((dates, symbols))
    # the model says the same of every horizon: the further ahead, the more it is mistaken
    return median, np.broadcast_to(0.3 * width * 2 * norm.ppf(0.95), median.shape), realised


@pytest.mark.parametrize(("horizon", "symbols"), [(5, 20), (30, 20), (30, 1), (60, 1), (60, 20)])
def test_every_horizon_is_covered_as_claimed_over_20_seeds(horizon, symbols):
    raw, held = [], []
    wanted = np.arange(WARM, HELD_OUT + WARM, max(horizon // 3, 5))  # neighbours share most of their outcome
    for seed in range(20):
        median, spread, realised = overlapping(seed, horizon, symbols=symbols)
        found = calibrate(median, spread, realised, moments_of(len(median)), horizon, SETTINGS, wanted).quantiles
        assert np.isfinite(found).all()
        raw.append(coverage(median - spread / 2, median + spread / 2, realised))
        held.append(coverage(found[..., LOW], found[..., HIGH], realised[wanted]))
    assert np.mean(raw) < 0.35
    assert 0.88 <= np.mean(held) <= 0.92


@pytest.mark.parametrize(("horizon", "symbols"), [(30, 1), (60, 1), (60, 20)])
def test_as_soon_as_there_are_outcomes_enough_they_cover_as_claimed(horizon, symbols):
    first = 4 * horizon  # four known outcomes that do not overlap
    settings = Calibration(least=20)
    held = []
    for seed in range(300 if symbols == 1 else 100):
        median, spread, realised = overlapping(seed, horizon, dates=first + 1, symbols=symbols)
        wanted = np.array([first - 1, first])
        found = calibrate(median, spread, realised, moments_of(first + 1), horizon, settings, wanted).quantiles
        assert np.isnan(found[0]).all()
        held.append(coverage(found[1:, :, LOW], found[1:, :, HIGH], realised[first:]))
    assert 0.87 <= np.mean(held) <= 0.93


def test_what_is_learned_from_is_kept_in_order_as_plain_sorting_has_it():
    rng = np.random.default_rng(0)
    residual = rng.standard_normal((60, 7))
    residual[rng.random((60, 7)) < 0.2] = np.nan
    residual[10] = residual[11]  # ties
    starts, stops = np.array([0, 0, 5, 5, 20, 55]), np.array([0, 9, 12, 30, 30, 60])
    for pool, start, stop in zip(_pools(residual, starts, stops), starts, stops, strict=True):
        known = residual[start:stop][np.isfinite(residual[start:stop])]
        assert np.array_equal(pool, np.sort(known))


def test_the_quantiles_are_those_of_numpy_by_the_weibull_rule_wider_for_what_overlaps():
    median, spread, realised = overconfident(4, dates=300)
    found = calibrated(median, spread, realised, 50).quantiles[280, 5]
    learned = ((realised - median) / spread)[0 : 280 - 50 + 1]
    away = np.quantile(learned, LEVELS, method="weibull")
    # 231 dates are 5.6 spans of fifty sessions: so exactly is known what the symbols have in common
    spans, count = (231 - 1 + 50) / 50, 231 * SYMBOLS
    mean_variance = learned.mean(axis=1).var() / (spans - 1) / learned.var() - 1 / (count - 1)
    distance = np.abs(learned - away[4])
    shared = distance.mean(axis=1).var() / distance.var()
    freedom = 1 / (shared / (spans - 1 + shared) - 1 / count)
    outer = np.delete(np.array(LEVELS), 4)
    ratios = [student.ppf(outer, df) / norm.ppf(outer) for df in (freedom, spans - 1)]
    wider = np.insert(np.sqrt(ratios[0] ** 2 + 2 * mean_variance * ratios[1] ** 2), 4, 1)
    assert 1.1 < wider.max() < 1.5
    expected = median[280, 5] + (away[4] + wider * (away - away[4])) * spread[280, 5]
    np.testing.assert_allclose(found, expected, rtol=0.002)


def test_residuals_of_one_symbol_that_do_not_overlap_are_taken_as_they_are():
    median, spread, realised = overconfident(4, dates=300, symbols=1)
    found = calibrated(median, spread, realised, 1).quantiles[280, 0]
    learned = ((realised - median) / spread)[280 - 250 : 280, 0]
    expected = median[280, 0] + np.quantile(learned, LEVELS, method="weibull") * spread[280, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_within_a_session_a_forecast_teaches_as_soon_as_its_last_bar_has_ended():
    median, spread, realised = overconfident(5, dates=400)
    settings = Calibration(sessions=20, least=20)
    before = calibrated(median, spread, realised, 3, settings, a_session=8)
    # bar 203 is the fourth of session 25: the outcome of the forecast of bar 200 ends with it
    changed = realised.copy()
    changed[200] = 9.0
    after = calibrated(median, spread, changed, 3, settings, a_session=8)
    same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(before.quantiles, after.quantiles, strict=True)]
    assert same.index(False) == 203
    # twenty sessions that end with the one of the newest known forecast: session 25 leaves when that is session 45
    assert [t for t, alike in enumerate(same) if not alike][-1] == 45 * 8 + 3 - 1


def test_only_what_is_wanted_is_calibrated_and_alike():
    median, spread, realised = overconfident(6, dates=300)
    every = calibrated(median, spread, realised, 5)
    wanted = np.array([40, 260, 261, 299])
    found = calibrate(median, spread, realised, moments_of(300), 5, SETTINGS, wanted)
    assert np.array_equal(found.quantiles, every.quantiles[wanted], equal_nan=True)
    assert np.array_equal(found.p_rise, every.p_rise[wanted], equal_nan=True)


def test_every_level_and_the_probability_of_a_rise_come_true():
    median, spread, realised = overconfident(3, dates=1500)
    found = calibrated(median, spread, realised, 1)
    for i, level in enumerate(LEVELS):
        assert (realised < found.quantiles[..., i])[WARM:].mean() == pytest.approx(level, abs=0.02)
    p, rose = found.p_rise[WARM:].ravel(), (realised > 0)[WARM:].ravel()
    for low in (0.2, 0.4, 0.6):
        inside = (p >= low) & (p < low + 0.2)
        assert rose[inside].mean() == pytest.approx(p[inside].mean(), abs=0.04)


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_date_uses_an_outcome_that_was_not_known_yet(horizon):
    median, spread, realised = overconfident(0, dates=400)
    before = calibrated(median, spread, realised, horizon)
    t = 350
    # the outcomes of the forecasts of t - horizon + 1 and later lie after t
    changed = realised.copy()
    changed[t - horizon + 1 :] = 9.0
    after = calibrated(median, spread, changed, horizon)
    assert np.array_equal(before.quantiles[: t + 1], after.quantiles[: t + 1], equal_nan=True)
    assert np.array_equal(before.p_rise[: t + 1], after.p_rise[: t + 1], equal_nan=True)
    assert not np.array_equal(before.quantiles[t + 1], after.quantiles[t + 1])


def test_the_quantiles_by_hand():
    # residuals -3 to 3 of seven known forecasts: with n + 1 = 8, the quartiles are the second and the sixth
    settings = Calibration.model_construct(method="conformal", sessions=7, least=7)
    median, spread = np.zeros((8, 1)), np.ones((8, 1))
    median[7], spread[7] = 0.5, 2
    found = calibrated(median, spread, np.array([[-3.0], [1], [-1], [0], [3], [2], [-2], [7]]), 1, settings)
    assert np.isnan(found.quantiles[:7]).all()
    by_name = dict(zip(CALIBRATED, found.quantiles[7, 0], strict=True))
    assert (by_name["cal_q25"], by_name["cal_q50"], by_name["cal_q75"]) == pytest.approx((-3.5, 0.5, 4.5))
    # residuals above -0.25: 0 to 3, four of seven
    assert found.p_rise[7, 0] == pytest.approx(4.5 / 8)


def test_what_cannot_be_learned_from_is_left_out_and_too_little_is_nothing():
    median, spread, realised = overconfident(1, dates=300)
    realised[5] = np.nan
    spread[7, 3] = 0
    found = calibrated(median, spread, realised, 1)
    assert np.isnan(found.quantiles[:10]).all()  # fewer than 200 residuals
    assert np.isfinite(found.quantiles[12:]).all()
    spread[20] = np.nan
    found = calibrated(median, spread, realised, 1)
    assert np.isnan(found.quantiles[20]).all()
    assert np.isnan(found.p_rise[20]).all()
    assert np.isfinite(found.quantiles[21]).all()


def test_the_quantiles_are_in_order():
    found = calibrated(*overconfident(2, dates=300), 1).quantiles[WARM:]
    assert (np.diff(found, axis=-1) >= 0).all()
