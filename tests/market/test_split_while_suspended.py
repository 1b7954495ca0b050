"""A split while a share is suspended. Qlib keeps the factor of suspended days; the store has no row for them.

Nothing needs that factor: the price before the suspension and the one after it each stand beside their own, so the
split shows as the change from one bar to the next, on the day of the resumption. On a day in between, the last price is
the one before the split, in the shares of that time, which is what an account holds and can still not trade.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from kronos_quant.config import GatesConfig
from kronos_quant.market import Market, export_bars, ingest_qlib, iter_checks, open_market
from kronos_quant.market.quality.survey import survey
from kronos_quant.market.sessions import sessions_between

QlibDir = Any
SESSIONS = sessions_between("XSHG", date(2023, 1, 3), date(2023, 4, 28))
SUSPENDED = slice(30, 50)
SPLIT = 40
"""The session, within the suspension, from which on two shares stand for one."""


@pytest.fixture
def market(tmp_path: Path, qlib_dir: QlibDir) -> Market:
    """A share at about 20, suspended for 20 sessions, in the midst of which it is split; about 10 after it."""
    rng = np.random.default_rng(0)
    place = np.arange(len(SESSIONS))
    factor = np.where(place < SPLIT, 0.5, 1.0)
    traded = np.ones(len(SESSIONS), dtype=bool)
    traded[SUSPENDED] = False
    walk = np.exp(np.cumsum(np.where(traded, rng.normal(0, 0.01, len(SESSIONS)), 0)))
    raw = np.where(place < SPLIT, 20.0, 10.0) * walk
    raw = np.where(traded, np.round(raw, 2), np.nan)
    volume = np.where(traded, np.round(rng.uniform(1e5, 2e5, len(SESSIONS))), np.nan)
    qlib_dir.calendar([str(day) for day in SESSIONS])
    qlib_dir.stock(
        "sh600000",
        list(raw * factor),
        open=list(raw * factor),
        high=list((raw + 0.1) * factor),
        low=list((raw - 0.1) * factor),
        volume=list(volume / factor),
        factor=list(factor),
    )
    ingest_qlib(tmp_path / "w", qlib_dir.path)
    return open_market(tmp_path / "w")


def test_the_split_is_one_corporate_action_on_the_day_of_the_resumption(market: Market) -> None:
    actions = market.connect().sql("SELECT date, ratio FROM corporate_actions").fetchall()
    assert actions == [(SESSIONS[SUSPENDED.stop], 2.0)]


def test_no_rule_takes_it_for_a_jump_or_an_unadjusted_split(market: Market) -> None:
    result = survey(market, list(iter_checks()), GatesConfig())
    assert result.found.is_empty()
    assert result.rejected.is_empty()


def test_prices_as_known_on_a_suspended_day_are_in_the_shares_of_before(market: Market) -> None:
    connection = market.connect()

    def known(day: date) -> pl.DataFrame:
        return connection.sql("FROM bars_as_known(CAST(? AS DATE))", params=[day]).pl()

    before = known(SESSIONS[SUSPENDED.start - 1])
    for day in (SESSIONS[SPLIT - 1], SESSIONS[SPLIT], SESSIONS[SUSPENDED.stop - 1]):
        assert known(day).equals(before)
    assert before["close"][-1] == pytest.approx(20, rel=0.2)
    assert before["factor"].to_list() == [1.0] * len(before)
    after = known(SESSIONS[SUSPENDED.stop])
    assert after["close"][-1] == pytest.approx(10, rel=0.2)
    assert after["close"][-2] == pytest.approx(before["close"][-1] / 2, rel=1e-7)
    assert after["volume"][-2] == pytest.approx(before["volume"][-1] * 2, rel=1e-7)


def test_the_bars_come_back_from_an_export_bit_for_bit(tmp_path: Path, market: Market) -> None:
    export_bars(market, tmp_path / "out", "qlib")
    report = ingest_qlib(tmp_path / "w", tmp_path / "out")
    assert (report.unchanged, report.changed, report.vanished) == (len(market.bars()), 0, {})
    factor = np.fromfile(tmp_path / "out" / "features" / "sh600000" / "factor.day.bin", "<f4")[1:]
    # through the suspension the factor of the last bar goes on: pyqlib reads no price there
    assert set(factor[: SUSPENDED.stop]) == {0.5}
    assert set(factor[SUSPENDED.stop :]) == {1.0}
