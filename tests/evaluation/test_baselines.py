import math

import numpy as np
import polars as pl
from evaluation.markets import always, made_grid
from made import make_bars, weekdays
from scipy import stats

from kronos_quant.evaluation.baselines import BAND, BAND_WINDOW, baselines
from kronos_quant.evaluation.grid import make_grid

GRID = made_grid(symbols=12, sessions=160)
ROWS = np.arange(130, 150)


def named(found):
    return {one.name: one for one in found}


def test_there_is_a_walk_a_band_and_three_rankings():
    found = named(baselines(GRID, ROWS, 5))
    assert list(found) == ["last close", BAND, "momentum", "reversal", "LightGBM"]
    assert [name for name, one in found.items() if one.scores is None] == ["last close", BAND]
    assert all(one.scores is None or one.scores.shape == (20, 12) for one in found.values())


def test_momentum_and_reversal_by_hand():
    found = named(baselines(GRID, ROWS, 5))
    close = GRID.close
    expected = close[130 - 20] / close[130 - 120] - 1
    np.testing.assert_allclose(found["momentum"].scores[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found["reversal"].scores[0], 1 - close[130] / close[110], rtol=1e-6)


def test_the_band_is_as_wide_as_the_last_sixty_returns_say():
    band = named(baselines(GRID, ROWS, 4, (0.05, 0.5, 0.95)))[BAND].forecast
    logs = np.diff(np.log(GRID.close[130 - BAND_WINDOW : 131, 3]))
    spread = logs.std(ddof=1) * math.sqrt(4)
    expected = np.exp(stats.norm.ppf([0.05, 0.5, 0.95]) * spread) - 1
    np.testing.assert_allclose(band.quantiles[0, 3], expected, rtol=1e-5, atol=1e-12)
    assert band.p_rise[0, 3] == 0.5
    assert band.point[0, 3] == 0


def test_the_last_close_expects_no_change_whatever_the_level():
    walk = named(baselines(GRID, ROWS, 4, (0.1, 0.9)))["last close"].forecast
    assert walk.levels == (0.1, 0.9)
    assert (walk.quantiles == 0).all()


def test_no_baseline_looks_at_what_comes_after_its_date():
    days = weekdays(160)
    names = [f"S{i:03d}" for i in range(12)]
    bars = make_bars(names, days)
    changed = bars.with_columns(
        pl.when(pl.col("date") > days[140]).then(pl.col(name) * 3).otherwise(name).cast(pl.Float32).alias(name)
        for name in ("close", "amount")
    )
    rows = np.arange(130, 141)
    before, after = (baselines(make_grid(one, days, always(names, days)), rows, 5) for one in (bars, changed))
    for a, b in zip(before, after, strict=True):
        if a.scores is not None:
            np.testing.assert_array_equal(a.scores, b.scores)
        if a.forecast is not None:
            np.testing.assert_array_equal(a.forecast.quantiles, b.forecast.quantiles)


def test_a_symbol_with_too_few_bars_has_no_opinion():
    days = weekdays(160)
    names = [f"S{i:03d}" for i in range(12)]
    bars = make_bars(names, days).filter((pl.col("symbol") != "S000") | (pl.col("date") >= days[125]))
    found = named(baselines(make_grid(bars, days, always(names, days)), ROWS, 5))
    assert np.isnan(found["momentum"].scores[:, 0]).all()
    assert np.isnan(found[BAND].forecast.quantiles[:, 0]).all()
    assert np.isfinite(found[BAND].forecast.quantiles[:, 1:]).all()
    # 20 sessions after its first bar it has a return over 20 sessions
    assert np.isfinite(found["reversal"].scores[:, 0]).tolist() == [row >= 145 for row in ROWS]
