from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import panel_of

from kronos_quant.backtest import Panel
from kronos_quant.validity import HISTORY, Background
from kronos_quant.validity.exposures import SIZE, exposures_of, standard_scores, styles, window_moments

NAN = float("nan")


def made(sessions: int, symbols: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, symbols)), axis=0))
    return close, rng.uniform(1e5, 1e6, (sessions, symbols))


def split(close: np.ndarray, volume: np.ndarray, history: int) -> tuple[Panel, Background]:
    panel = panel_of(np.ones(close[history:].shape), close[history:], volume=volume[history:])
    return panel, Background(close[:history], volume[:history])


def test_styles_are_of_the_bars_up_to_the_session():
    close, volume = made(200, 3)
    found, t = styles(close, volume), 150
    moves = close[1:] / close[:-1] - 1
    np.testing.assert_allclose(found["momentum"][t], np.log(close[t - 20] / close[t - 120]))
    np.testing.assert_allclose(found["volatility"][t], moves[t - 60 : t].std(axis=0))
    np.testing.assert_allclose(found[SIZE][t], np.log((close * volume)[t - 59 : t + 1].mean(axis=0)))


def test_too_few_bars_tell_nothing():
    close, volume = made(130, 2)
    close[:115, 1] = volume[:115, 1] = NAN
    found = styles(close, volume)
    assert np.isnan(found[SIZE][18, 0])
    assert np.isfinite(found[SIZE][19, 0])
    assert np.isnan(found[SIZE][-1, 1])  # 15 bars of its 60
    assert np.isnan(found["momentum"][119]).all()
    assert np.isfinite(found["momentum"][120, 0])
    assert np.isnan(found["momentum"][120, 1])


def test_a_suspension_is_no_return_of_0():
    close, volume = made(80, 1)
    whole = styles(close, volume)["volatility"][-1]
    close[60:70] = volume[60:70] = NAN
    held = styles(close, volume)["volatility"][-1]
    assert held > 0.8 * whole


def test_scores_are_standard_and_bounded():
    values = np.array([[1.0, 2.0, 3.0, NAN], [5.0, 5.0, 5.0, 5.0], [NAN] * 4])
    found = standard_scores(values)
    np.testing.assert_allclose(found[0], [-np.sqrt(1.5), 0, np.sqrt(1.5), 0])
    assert not found[1:].any()
    assert standard_scores(np.array([[0.0] * 99 + [1.0]])).max() == 3.0


@pytest.mark.parametrize("history", [0, 40, HISTORY])
def test_what_comes_later_changes_no_earlier_exposure(history):
    close, volume = made(history + 150, 8, seed=1)
    before = exposures_of(*split(close, volume, history))
    close[-1], volume[-1] = 1.0, 1.0
    close[-20:] *= np.linspace(1, 3, 20)[:, None]
    after = exposures_of(*split(close, volume, history))
    np.testing.assert_array_equal(after.values[:, :129], before.values[:, :129])


def test_the_exposure_of_a_session_is_known_at_the_close_before():
    close, volume = made(HISTORY + 30, 8, seed=2)
    found = exposures_of(*split(close, volume, HISTORY))
    assert found.names == (SIZE, "momentum", "volatility")
    assert found.values.shape == (3, 29, 8)
    raw = styles(close, volume)["volatility"]
    np.testing.assert_allclose(found.values[2, 0], standard_scores(raw[HISTORY : HISTORY + 1])[0])


def test_styles_without_enough_bars_are_named():
    close, volume = made(60, 5)
    found = exposures_of(*split(close, volume, 0))
    assert found.unknown == ("momentum",)
    assert found.names == (SIZE, "volatility")
    none = exposures_of(*split(close[:10], volume[:10], 0))
    assert none.values.shape == (0, 9, 5)
    assert len(none.unknown) == 3


def test_window_moments_are_those_of_numpy():
    values = np.random.default_rng(3).normal(5, 1, (100, 2))
    values[50] = NAN
    spread, mean = window_moments(values)
    np.testing.assert_allclose(spread[80], np.nanstd(values[21:81], axis=0))
    np.testing.assert_allclose(mean[80], np.nanmean(values[21:81], axis=0))
