"""A synthetic market with a KNOWN, weak, learnable pattern.

A hidden state of each stock (AR(1), unit variance) moves its next days' returns and shows only in its volume. There are
also a common factor, fat tails, suspensions, late listings and delistings. `strength` scales the link from state to
returns: 0.2 is about 4% of the idiosyncratic daily variance; 0 means no pattern (the volume still moves). Prices alone
do not reveal the state, so momentum cannot fake the signal.

Shapes: T sessions, N symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from kronos_quant import schema
from kronos_quant.bounds import Seed
from kronos_quant.config import Section
from kronos_quant.market.sessions import sessions_before
from kronos_quant.market.store import BarBatch

INDEX_SYMBOL = "MADE_INDEX"
EXCHANGE = "XNYS"
LAST_SESSION = date(2025, 6, 5)

PERSISTENCE = 0.7  # of the hidden state, per session
MARKET_VOLATILITY = 0.009
TAIL_DEGREES = 5  # of freedom, Student t
OWN_VOLATILITY = (0.012, 0.025)
BETA = (0.5, 1.5)
VOLUME_LINK, VOLUME_NOISE = 0.6, 0.15
MEAN_ABS_T5 = 0.75  # of a t5 variable scaled to unit variance, rounded
LATE_SHARE, GONE_SHARE, SUSPENDED_SHARE = 0.10, 0.05, 0.002


class SyntheticSpec(Section):
    """What to generate; equal specs give equal bytes."""

    strength: float = Field(0.2, ge=0, le=1, description="strength of the hidden pattern; 0: no pattern")
    symbols: int = Field(150, ge=5, le=5000, description="number of stocks")
    sessions: int = Field(800, ge=60, le=10_000, description="number of sessions")
    seed: Seed = Field(0, ge=0, description="equal seeds give equal markets")


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """The bars, and their hidden `drift` float64[T, N]: the expected idiosyncratic return of the next session."""

    batch: BarBatch
    sessions: list[date]
    symbols: list[str]
    drift: NDArray[np.float64]

    def oracle(self, horizon: int) -> pl.DataFrame:
        """(date, symbol, oracle): expected idiosyncratic return over the next `horizon` sessions."""
        carried = (1 - PERSISTENCE**horizon) / (1 - PERSISTENCE)
        T, N = self.drift.shape
        return pl.DataFrame(
            {
                "date": np.repeat(np.array(self.sessions, dtype="datetime64[D]"), N),
                "symbol": self.symbols * T,
                "oracle": (self.drift * carried).ravel(),
            }
        )


def make_market(spec: SyntheticSpec) -> SyntheticMarket:
    """Generate the market of `spec`: daily bars of its stocks and of their equal-weighted index.

    >>> make_market(SyntheticSpec(symbols=5, sessions=60)).symbols
    ['MADE0000', 'MADE0001', 'MADE0002', 'MADE0003', 'MADE0004']
    """
    rng = np.random.default_rng((spec.seed, 20250605))
    T, N = spec.sessions, spec.symbols
    state = _hidden_state(rng, T, N)
    market = MARKET_VOLATILITY * _fat(rng, (T, 1))
    noise = _fat(rng, (T, N))
    beta, volatility = rng.uniform(*BETA, N), rng.uniform(*OWN_VOLATILITY, N)
    drift = volatility * spec.strength * state  # of session t + 1, known at t
    returns = beta * market + volatility * noise
    returns[1:] += drift[:-1]
    returns[0] = 0
    bars = _bars(rng, returns, state, noise, volatility)
    alive = _presence(rng, T, N)
    sessions = sessions_before(EXCHANGE, LAST_SESSION, T)
    symbols = [f"MADE{i:04d}" for i in range(N)]
    stocks = _frame(bars, sessions, symbols, alive)
    index = _index_frame(returns, alive, sessions)
    frame = pl.concat([stocks, index]).sort("symbol", "time")
    batch = BarBatch(
        source=f"synthetic strength={spec.strength:g} symbols={N} sessions={T} seed={spec.seed}",
        path=None,
        freq=schema.DAILY,
        bars=frame,
        instruments=_instruments(frame),
        universes=pl.DataFrame(schema=schema.UNIVERSES),
        sessions=sessions,
        exchange=EXCHANGE,
        listings=_listings(frame, sessions),
    )
    return SyntheticMarket(batch, sessions, symbols, np.where(alive, drift, np.nan))


def _hidden_state(rng: np.random.Generator, T: int, N: int) -> NDArray[np.float64]:
    state = np.empty((T, N))
    state[0] = rng.standard_normal(N)
    shocks = np.sqrt(1 - PERSISTENCE**2) * rng.standard_normal((T, N))
    for t in range(1, T):
        state[t] = PERSISTENCE * state[t - 1] + shocks[t]
    return state


def _fat(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Student t noise of unit variance."""
    scaled: NDArray[np.float64] = rng.standard_t(TAIL_DEGREES, shape) / np.sqrt(TAIL_DEGREES / (TAIL_DEGREES - 2))
    return scaled


def _bars(
    rng: np.random.Generator,
    returns: NDArray[np.float64],
    state: NDArray[np.float64],
    noise: NDArray[np.float64],
    volatility: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Open, high, low, close, volume, amount float64[T, N] with a consistent bar and no news at the open."""
    T, N = returns.shape
    close = rng.uniform(8, 80, N) * np.exp(np.cumsum(returns, axis=0))
    before = np.vstack([close[:1], close[:-1]])
    opened = before * np.exp(0.1 * volatility * rng.standard_normal((T, N)))
    reach = volatility * np.abs(rng.standard_normal((2, T, N))) * 0.5
    high = np.maximum(opened, close) * np.exp(reach[0])
    low = np.minimum(opened, close) * np.exp(-reach[1])
    level = rng.uniform(12, 15, N)
    surprise = VOLUME_NOISE * rng.standard_normal((T, N)) + 0.15 * (np.abs(noise) - MEAN_ABS_T5)
    volume = np.exp(level + VOLUME_LINK * state + surprise).round()
    amount = volume * (opened + high + low + close) / 4
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume, "amount": amount}


def _presence(rng: np.random.Generator, T: int, N: int) -> NDArray[np.bool_]:
    """bool[T, N]: listed and not suspended."""
    alive = np.ones((T, N), dtype=bool)
    names = rng.permutation(N)
    late, gone = round(N * LATE_SHARE), round(N * GONE_SHARE)
    for i in names[:late]:
        alive[: rng.integers(T // 8, T // 2), i] = False
    for i in names[late : late + gone]:
        alive[rng.integers(T // 2, T) :, i] = False
    for t, i in zip(*np.nonzero(rng.random((T, N)) < SUSPENDED_SHARE), strict=True):
        alive[t : t + rng.integers(1, 6), i] = False
    return alive


def _frame(
    bars: dict[str, NDArray[np.float64]], sessions: list[date], symbols: list[str], alive: NDArray[np.bool_]
) -> pl.DataFrame:
    T, N = alive.shape
    days = np.repeat(np.array(sessions, dtype="datetime64[D]"), N)
    return (
        pl.DataFrame(
            {
                "symbol": symbols * T,
                "date": days,
                "time": days.astype("datetime64[us]"),
                **{name: values.ravel() for name, values in bars.items()},
                "factor": np.ones(T * N),
            }
        )
        .filter(pl.Series(alive.ravel()))
        .cast(schema.BARS)  # type: ignore[arg-type]
    )


def _index_frame(returns: NDArray[np.float64], alive: NDArray[np.bool_], sessions: list[date]) -> pl.DataFrame:
    """The equal-weighted index of the listed stocks, starting at 1000."""
    simple = np.where(alive, np.expm1(returns), 0.0).sum(axis=1) / np.maximum(alive.sum(axis=1), 1)
    level = 1000 * np.cumprod(1 + simple)[:, None]
    flat = dict.fromkeys(schema.PRICES, level)
    none = np.zeros_like(level)
    return _frame({**flat, "volume": none, "amount": none}, sessions, [INDEX_SYMBOL], np.ones_like(level, dtype=bool))


def _listings(bars: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    """The listings that end within the data."""
    spans = bars.group_by("symbol").agg(pl.col("date").min().alias("start"), pl.col("date").max().alias("end"))
    return spans.filter(pl.col("end") < sessions[-1]).sort("symbol")


def _instruments(bars: pl.DataFrame) -> pl.DataFrame:
    return (
        bars.group_by("symbol")
        .agg(pl.col("date").min().alias("first_date"), pl.col("date").max().alias("last_date"))
        .with_columns(
            pl.lit(EXCHANGE).alias("exchange"),
            pl.when(pl.col("symbol") == INDEX_SYMBOL).then(pl.lit("index")).otherwise(pl.lit("stock")).alias("kind"),
        )
        .select(*(name for name in schema.INSTRUMENTS if name != "in_all"), in_all=pl.lit(None, pl.Boolean))
        .sort("symbol")
    )
