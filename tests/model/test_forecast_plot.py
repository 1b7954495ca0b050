"""A forecast draws itself: the fan from the last close, the bars before and after where they are known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.model.forecast import Forecast, Repairs

BARS = make_bars(["A", "B"], weekdays(30))
H = 4


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    past = BARS.filter(pl.col("date") <= BARS["date"].unique().sort()[19])
    last = past.group_by("symbol", maintain_order=True).last()
    paths = np.random.default_rng(0).normal(20, 1, (2, 50, H, 6))
    asof = last["time"].to_numpy().astype("datetime64[us]")
    times = asof[:, None] + np.arange(1, H + 1) * np.timedelta64(1, "D")
    realised = BARS.filter(pl.col("date") > past["date"].max()).group_by("symbol", maintain_order=True).head(2)
    realised = realised.with_columns(
        time=pl.concat([pl.Series(times[i, :2]) for i in range(2)]).cast(pl.Datetime("us"))
    )
    return Forecast(
        ("A", "B"), asof, np.array([20, 20]), last["close"].cast(pl.Float64).to_numpy(), paths, times,
        np.zeros((2, H), bool), Repairs(0, 0, 0, 0), (), realised,
    )  # fmt: skip


def median(figure):
    return next(line for line in figure.axes[0].lines if line.get_label() == "forecast, median")


def test_the_fan_begins_at_the_last_close_and_the_bars_that_followed_are_drawn(forecast):
    figure = forecast.plot()
    values = median(figure).get_ydata()
    assert values[0] == pytest.approx(forecast.last_close[0])
    np.testing.assert_allclose(values[1:], np.median(forecast.paths[0, :, :, 3], axis=0))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "realised bars" in names
    assert not any("random walk" in name for name in names)
    assert figure.axes[0].get_title(loc="left").startswith("A: forecast of 4 bars after 2024-01-")


def test_another_symbol_and_the_bars_before_may_be_given(forecast):
    figure = forecast.plot("B", history=BARS.to_pandas())
    assert median(figure).get_xdata()[0] == 19  # the bars after the forecast's date are not history
    assert median(figure).get_ydata()[0] == pytest.approx(forecast.last_close[1], rel=1e-6)


def test_wrong_arguments_are_refused_in_one_line(forecast):
    with pytest.raises(ConfigError, match="symbol: expected one of A, B, found 'C'"):
        forecast.plot("C")
    with pytest.raises(DataError, match="history: lacks"):
        forecast.plot(history=pl.DataFrame({"time": [1]}))
    late = BARS.with_columns(pl.col("time") + timedelta(days=999))
    with pytest.raises(DataError, match="history: no bars of A up to 2024-01-"):
        forecast.plot(history=late)
