from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import panel_of

from kronos_quant.backtest import Panel
from kronos_quant.panel.factors import style_exposures
from kronos_quant.validity.attribution import HISTORY, SIZE, Background, bounded_scores, style_scores

NAN = float("nan")


def made(sessions: int, symbols: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, symbols)), axis=0))
    return close, rng.uniform(1e5, 1e6, (sessions, symbols))


def split(close: np.ndarray, amount: np.ndarray, history: int) -> tuple[Panel, Background]:
    return panel_of(np.ones(close[history:].shape), close[history:]), Background(close, amount)


def test_scores_are_standard_and_bounded():
    values = np.array([[1.0, 2.0, 3.0, NAN], [5.0, 5.0, 5.0, 5.0], [NAN] * 4])
    found = bounded_scores(values)
    np.testing.assert_allclose(found[0], [-np.sqrt(1.5), 0, np.sqrt(1.5), 0])
    assert not found[1:].any()
    assert bounded_scores(np.array([[0.0] * 99 + [1.0]])).max() == 3.0


@pytest.mark.parametrize("history", [0, 40, HISTORY])
def test_what_comes_later_changes_no_earlier_exposure(history):
    close, amount = made(history + 150, 8, seed=1)
    before = style_scores(*split(close, amount, history))
    close[-1], amount[-1] = 1.0, 1.0
    close[-20:] *= np.linspace(1, 3, 20)[:, None]
    after = style_scores(*split(close, amount, history))
    np.testing.assert_array_equal(after.values[:, :129], before.values[:, :129])


def test_the_exposure_of_a_session_is_known_at_the_close_before():
    close, amount = made(HISTORY + 30, 8, seed=2)
    found = style_scores(*split(close, amount, HISTORY))
    assert found.names == (SIZE, "momentum", "volatility")
    assert found.values.shape == (3, 29, 8)
    raw = style_exposures(close, amount)["volatility"]
    np.testing.assert_allclose(found.values[2, 0], bounded_scores(raw[HISTORY : HISTORY + 1])[0])


def test_styles_without_enough_bars_are_named():
    close, amount = made(60, 5)
    found = style_scores(*split(close, amount, 0))
    assert found.unknown == ("momentum",)
    assert found.names == (SIZE, "volatility")
    none = style_scores(*split(close[:10], amount[:10], 0))
    assert none.values.shape == (0, 9, 5)
    assert len(none.unknown) == 3
