"""An index without dividends beside a portfolio that has some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless

from kronos_quant.backtest import simulate
from kronos_quant.backtest.benchmarks import benchmark_kind, named_benchmark, price_index_caveat
from kronos_quant.errors import DataError
from kronos_quant.market.symbols import kind_of, usual_benchmark
from kronos_quant.report.terms import EXCESS, figure_rows

FLAT = panel_of([[1.0]] * 4, [[10.0]] * 4)
PAYING = replace(FLAT, factor=np.array([[1.0], [1.0], [1.02], [1.02]]))
CAVEAT = "SH000300 is a price index: without dividends, which raises the excess."


@pytest.mark.parametrize(
    ("indices", "chosen"),
    [
        (["SH000300", "H00300.CSI"], "H00300.CSI"),
        (["SH000300", "H00905"], "SH000300"),
        (["SH000905", "CSIH00905", "SH000001"], "CSIH00905"),
        (["SH000906", "H00906", "SZ399001"], "H00906"),
        (["H00852.CSI"], "H00852.CSI"),
        (["SZ399001"], "SZ399001"),
        ([], None),
    ],
)
def test_auto_prefers_the_index_with_dividends(indices, chosen):
    assert usual_benchmark(indices) == chosen
    assert {kind_of(symbol) for symbol in indices} <= {"index"}


def test_several_indices_that_nothing_prefers_leave_no_choice():
    with pytest.raises(DataError, match="benchmark auto: 2 indices"):
        usual_benchmark(["SZ399001", "SZ399006"])


@pytest.mark.parametrize(
    ("benchmark", "panel", "caveat"),
    [
        ("SH000300", PAYING, CAVEAT),
        ("SH000300", FLAT, ""),
        ("H00300.CSI", PAYING, ""),
        ("MADE", PAYING, ""),
        ("^SP500TR", PAYING, ""),
        ("^GSPC", PAYING, CAVEAT.replace("SH000300", "^GSPC")),
        (None, PAYING, ""),
    ],
)
def test_the_caveat_is_of_portfolios_with_dividends_against_a_price_index(benchmark, panel, caveat):
    assert price_index_caveat(benchmark, panel) == caveat


def test_the_result_says_it_and_every_excess_is_marked():
    strategy = sizeless({"topk": 1, "n_drop": 0, "price_limit": "none"})
    index = np.array([100.0, 101.0, 102.0, 103.0])
    result = simulate(strategy, PAYING, benchmark_close=index, benchmark="SH000300")
    assert (result.caveat, CAVEAT in result.notes) == (CAVEAT, True)
    plain = simulate(strategy, PAYING, benchmark_close=index, benchmark="H00300")
    assert (plain.caveat, CAVEAT in plain.notes) == ("", False)
    labels = [row[0] for row in figure_rows([*EXCESS, "annual_return"], result.metrics, price_index=True)]
    assert [label.endswith("(price index)") for label in labels] == [True] * len(EXCESS) + [False]
    assert named_benchmark("SH000300") == "SH000300 (price index)"
    assert (benchmark_kind("H00300"), named_benchmark("MADE")) == ("total-return index", "MADE")
