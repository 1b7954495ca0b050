from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from backtest.qlib.directories import made_panel, write_directory

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.qlib.market import (
    derived_facts,
    facts_of_directory,
    qlib_costs,
    qlib_prices,
    qlib_states,
    qlib_terms,
    qlib_threshold,
    qlib_unit,
    volumes_read,
)
from kronos_quant.backtest.rules import Terms
from kronos_quant.errors import DataError

NAN = float("nan")


def test_the_change_of_a_directory_is_the_stored_one_and_the_derived_one_of_the_closes(tmp_path):
    panel = made_panel(1)
    stored = facts_of_directory(panel, write_directory(panel, tmp_path / "qlib"))
    np.testing.assert_array_equal(stored.change, derived_facts(panel).change)
    assert (stored.unit, stored.notes) == (100, ())


def test_the_threshold_is_compared_in_float32_and_a_day_without_a_close_is_suspended():
    panel = made_panel(2)
    change = np.full(panel.close.shape, NAN)
    closes = np.ones_like(panel.close)
    closes[2, 0] = NAN
    # float32(0.095) is a little above 0.095
    change[1, :4] = [float(np.float32(0.095)), 0.0949, -float(np.float32(0.095)), -0.0949]
    states = qlib_states(replace(panel, close=closes), change, 0.095)
    assert states[1, :4].tolist() == [LIMIT_UP, TRADABLE, LIMIT_DOWN, TRADABLE]
    assert states[2, 0] == NO_BAR
    assert (states[3:] == TRADABLE).all()


def test_a_missing_or_zero_open_is_dealt_at_the_close():
    panel = made_panel(3)
    opened = panel.open.copy()
    traded = np.flatnonzero(~np.isnan(panel.close[30]))[:2]
    opened[30, traded] = NAN, 0.0
    panel = replace(panel, open=opened)
    prices = qlib_prices(panel, "open")
    assert prices[30, traded].tolist() == panel.close[30, traded].tolist()
    np.testing.assert_array_equal(qlib_prices(panel, "close"), panel.close)


def test_nothing_is_rounded_where_a_symbol_of_all_txt_has_no_factor(tmp_path):
    panel = made_panel(4)
    directory = write_directory(panel, tmp_path / "qlib", without_factor=panel.symbols[-1])
    facts = facts_of_directory(panel, directory)
    assert facts.unit == 0
    assert "Qlib does not round orders here" in facts.notes[0]
    assert qlib_unit(Strategy.model_validate({"lot": 100}), facts) == 0


def test_a_volume_that_is_missing_before_a_gap_counts_as_none_and_else_as_unknown():
    days = [date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)]
    volume = np.array([[NAN, 1.0], [NAN, 2.0], [NAN, NAN], [5.0, NAN]])
    # Friday is followed by two days without trading
    np.testing.assert_array_equal(volumes_read(volume, days), [[NAN, 1], [0, 2], [NAN, NAN], [5, NAN]])
    # with the next day of the calendar, the last one too
    later = volumes_read(volume, [*days, date(2024, 1, 12)])
    np.testing.assert_array_equal(later[3], [5, 0])
    assert np.isnan(volume[1, 0])


def test_another_directory_is_refused(tmp_path):
    panel = made_panel(5)
    directory = write_directory(panel, tmp_path / "qlib")
    with pytest.raises(DataError, match="the closes of SH600000 differ from the workspace's"):
        facts_of_directory(replace(panel, close=panel.close * 1.01), directory)
    days = tuple(day + timedelta(days=3650) for day in panel.dates)
    with pytest.raises(DataError, match="its calendar has other sessions from 2033-12-29"):
        facts_of_directory(replace(panel, dates=days), directory)
    every_other = [getattr(panel, name)[::2] for name in ("open", "high", "low", "close", "volume", "factor", "score")]
    with pytest.raises(DataError, match="its calendar has other sessions"):
        facts_of_directory(
            type(panel)(panel.dates[::2], panel.symbols, *every_other, delisted=panel.delisted), directory
        )


def test_what_the_strategy_leaves_open_is_the_guides():
    plain = Strategy.model_validate({"profile": "qlib"})
    assert qlib_costs(plain) == (0.001, 0.0015, 5.0)
    assert qlib_threshold(plain) == 0.095
    own = Strategy.model_validate({"profile": "qlib", "costs": {"open_cost": 0.0}, "price_limit": 0.2, "lot": 10})
    assert qlib_costs(own) == (0.0, 0.0015, 5.0)
    assert qlib_threshold(own) == 0.2
    facts = derived_facts(made_panel(6))
    assert (qlib_unit(plain, facts), qlib_unit(own, facts)) == (100, 10)
    assert qlib_threshold(Strategy.model_validate({"profile": "qlib", "price_limit": "none"})) > 1
    terms = qlib_terms(own, facts, Terms((), (), 243))
    assert terms.costs[0] == "Qlib's: buying 0%, selling 0.15%, at least 5 per trade"
    assert "limit 0.2" in terms.costs[1]
    assert terms.notes[0].startswith("Profile qlib:")
    assert terms.sessions_per_year == 243
