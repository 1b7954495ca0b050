"""What a back-test knows of listings, and how much of its account rests on those that nobody states.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from kronos_quant.backtest.accounts import Ledger
from kronos_quant.backtest.panel import Panel
from kronos_quant.errors import counted, listed
from kronos_quant.market import Market
from kronos_quant.market.listings import Listings

SUSPENDED = "SELECT DISTINCT symbol, date FROM stored_bars WHERE suspended AND date >= ?"


def market_listings(market: Market, start: date) -> Listings:
    """What is known of listings from a session on."""
    listings = Listings(market.listings(), delisted_after=market.delisted_after)
    if not market.snapshot.freqs[market.freq].suspended:
        return listings
    with market.connect() as connection:
        suspended = connection.sql(SUSPENDED, params=[start]).pl()
    return Listings(listings.spans, suspended, market.delisted_after)


def unstated_listings(panel: Panel, ledger: Ledger) -> tuple[str, ...]:
    """A note where holdings had no further bar and no table states their listing: how much of the account they were.

    panel : what was traded; ledger : its holdings
    """
    T, N = panel.close.shape
    rows, there = np.arange(T)[:, None], ~np.isnan(panel.close)
    last = np.where(there.any(axis=0), T - 1 - np.argmax(there[::-1], axis=0), -1)
    waiting = (ledger.held != 0) & (rows > last)
    # of a listing that counted as over although bars came again, the time from its last bar to that row
    for row, n in panel.delisted:
        before = np.flatnonzero(there[:row, n])
        waiting[before[-1] + 1 if len(before) else 0 : row, n] |= ledger.held[row - 1, n] != 0
    waiting[:, [n for n in range(N) if panel.symbols[n] in panel.stated]] = False
    if not waiting.any():
        return ()
    worth = np.where(waiting, np.abs(ledger.held * ledger.last), 0.0).sum(axis=1)
    share = np.divide(worth, ledger.account, out=np.zeros(T), where=ledger.account > 0)
    names = [panel.symbols[n] for n in np.flatnonzero(waiting.any(axis=0))]
    most, found = int(np.argmax(share)), np.flatnonzero(waiting.any(axis=1))
    held = f"{counted(len(names), 'holding')} without a further bar whose listing no table states ({listed(names)}, "
    return (
        f"Up to {share[most]:.1%} of the account (on {panel.dates[most]}) was in {held}from {panel.dates[found[0]]} to "
        f"{panel.dates[found[-1]]}): valued at the last close (kq ingest intervals listing FILE).",
    )
