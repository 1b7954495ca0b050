"""Columns of dividends as vendors call them, and for how many shares their amounts stand.

| source | amounts | dates |
|---|---|---|
| tushare `dividend` | cash_div_tax stk_bo_rate stk_co_rate, per share | record_date ex_date pay_date div_listdate |
| baostock `query_dividend_data` | dividCashPsBeforeTax dividStocksPs .., per share | dividRegistDate .. |
| akshare `stock_dividend_cninfo` | 派息比例 送股比例 转增比例, per 10 shares | 股权登记日 除权日 派息日 股份到账日 |
| akshare `stock_history_dividend_detail` | 派息 送股 转增, per 10 shares; rights: 配股方案 配股价格 | 除权除息日 .. |
| akshare `stock_fhps_em` | 现金分红-现金分红比例 .., per 10 shares | 股权登记日 除权除息日 |
"""

from __future__ import annotations

from collections.abc import Sequence

from kronos_quant.market.dialects.names import DIVIDEND_DATES, PER_SHARE, PER_TEN, find_columns

AFTER_TAX = ("cash_div", "divid_cash_ps_after_tax")
"""What says nothing of the cash before tax."""

PROGRESS = ("div_proc", "进度", "方案进度", "progress")
CARRIED_OUT = "实施"
"""How a column of PROGRESS begins where the dividend was paid."""


def amount_columns(names: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Our amount -> the column that has it, and the number of shares that one of its values stands for.

    >>> amount_columns(["ts_code", "cash_div_tax", "转增比例"])
    {'cash': ('cash_div_tax', 1.0), 'transferred': ('转增比例', 10.0)}
    """
    found = {}
    for ours in PER_SHARE:
        for table, shares in ((PER_SHARE, 1.0), (PER_TEN, 10.0)):
            columns = find_columns(names, table[ours])
            if columns and ours not in found:
                found[ours] = (columns[0], shares)
    return found


def date_columns(names: Sequence[str]) -> dict[str, str]:
    """Our date -> the column that has it."""
    found = {ours: find_columns(names, theirs) for ours, theirs in DIVIDEND_DATES.items()}
    return {ours: columns[0] for ours, columns in found.items() if columns}
