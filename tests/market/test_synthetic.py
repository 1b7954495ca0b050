import numpy as np
import polars as pl
import pytest

from kronos_quant import ConfigError, schema
from kronos_quant.market import SyntheticSpec, ingest_synthetic, make_market


@pytest.fixture(scope="module")
def made():
    return make_market(SyntheticSpec(strength=0.2, symbols=60, sessions=400))


def wide(made, column: str) -> np.ndarray:
    stocks = made.batch.bars.filter(pl.col("symbol") != "MADE_INDEX")
    grid = pl.DataFrame({"date": made.sessions}).join(
        stocks.pivot(on="symbol", index="date", values=column), on="date", how="left"
    )
    return grid.select(made.symbols).cast(pl.Float64).fill_null(float("nan")).to_numpy()


def test_equal_specs_make_equal_bars_and_other_seeds_others(made):
    again = make_market(SyntheticSpec(strength=0.2, symbols=60, sessions=400))
    other = make_market(SyntheticSpec(strength=0.2, symbols=60, sessions=400, seed=1))
    assert again.batch.bars.equals(made.batch.bars)
    assert not other.batch.bars.equals(made.batch.bars)


def test_the_bars_are_valid_and_keep_the_contract(made):
    bars = made.batch.bars
    assert dict(bars.schema) == schema.BARS
    assert bars.filter(pl.col("high") < pl.max_horizontal("open", "close")).is_empty()
    assert bars.filter(pl.col("low") > pl.min_horizontal("open", "close")).is_empty()
    assert bars.select("symbol", "time").is_duplicated().sum() == 0
    assert set(bars["date"]) <= set(made.sessions)


def test_returns_have_no_drift_and_the_volatility_they_should_have(made):
    returns = np.diff(np.log(wide(made, "close")), axis=0)
    # own volatility 1.2 to 2.5% beside a beta of 0.5 to 1.5 times a market of 0.9% a day
    assert abs(np.nanmean(returns)) < 0.003
    assert 0.015 < np.nanstd(returns) < 0.025


def test_there_are_late_listings_delistings_and_suspended_days(made):
    alive = np.isfinite(wide(made, "close"))
    assert (~alive[0]).sum() >= 3
    assert (~alive[-1]).sum() >= 2
    inside = [np.flatnonzero(column) for column in alive.T]
    holes = sum((rows[-1] - rows[0] + 1) - len(rows) for rows in inside)
    assert holes > 20


def test_the_drift_forecasts_the_next_return_at_full_strength_and_not_at_none(made):
    def correlation(market) -> float:
        returns = np.diff(np.log(wide(market, "close")), axis=0)
        own = returns - np.nanmedian(returns, axis=1, keepdims=True)
        state = np.log(wide(market, "volume"))[:-1]
        state = state - np.nanmean(state, axis=0)
        both = np.isfinite(own) & np.isfinite(state)
        return float(np.corrcoef(state[both], own[both])[0, 1])

    none = make_market(SyntheticSpec(strength=0.0, symbols=60, sessions=400))
    # 24,000 pairs: the standard error is 0.0065; 0.2 of the own noise is about 0.2 / sqrt(1.04), less what the
    # common factor and the noise of the volume hide
    assert 0.1 < correlation(made) < 0.2
    assert abs(correlation(none)) < 0.02
    assert np.nanmax(np.abs(none.drift)) == 0


def test_momentum_does_not_find_the_pattern(made):
    close = np.log(wide(made, "close"))
    past, future = close[20:-5] - close[:-25], close[25:] - close[20:-5]
    both = np.isfinite(past) & np.isfinite(future)
    assert abs(np.corrcoef(past[both], future[both])[0, 1]) < 0.05


def test_the_oracle_is_the_expected_own_return_over_the_horizon(made):
    oracle = made.oracle(5).filter(pl.col("symbol") == made.symbols[0]).sort("date")
    carried = 1 + 0.7 + 0.49 + 0.343 + 0.2401
    np.testing.assert_allclose(oracle["oracle"].to_numpy(), made.drift[:, 0] * carried)


def test_the_same_market_can_be_made_again_but_not_over_other_bars(tmp_path):
    first = ingest_synthetic(tmp_path, symbols=6, sessions=70)
    again = ingest_synthetic(tmp_path, symbols=6, sessions=70)
    assert (first.added, again.added, again.changed) == (first.bars, 0, 0)
    assert first.snapshot == again.snapshot
    with pytest.raises(ConfigError, match="contains other bars; a synthetic market needs a workspace of its own"):
        ingest_synthetic(tmp_path, symbols=6, sessions=70, seed=1)
