"""User strategies that do what they should not: each ends in one clear line, or harms nobody but itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from backtest.markets import intraday, panel_of, random_market, sizeless
from backtest.test_kernel import random_strategy

from kronos_quant.backtest import simulate
from kronos_quant.backtest.strategies.rules import load_decide
from kronos_quant.errors import KronosQuantError

NAN = float("nan")
FLAT = [[10.0, 20.0]] * 4


def run(decide, close=FLAT, score=None, **fields):
    plain = {"strategy": "python", "code": "own.py", "account": 1_000.0, "lot": 0, "price_limit": "none"}
    costs = {"buy": 0, "sell": 0, "minimum": 0, "borrow": 0}
    strategy = sizeless(plain | {"costs": costs} | fields)
    return simulate(strategy, panel_of(score or [[2, 1]] * len(close), close), decide=decide)


def refusal(weights, **fields) -> str:
    with pytest.raises(KronosQuantError) as error:
        run(lambda view: weights, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "weights",
    [
        {"S00": 0.5},
        OrderedDict(S00=0.5),
        MappingProxyType({"S00": 0.5}),
        {"S00": np.float32(0.5)},
        {"S00": np.float64(0.5), "S01": 0},
        {"S00": 0.5, "S01": -0.0},
        {"S00": np.float16(0.5), "S01": np.int64(0)},
    ],
)
def test_any_mapping_of_numbers_is_one(weights):
    result = run(lambda view: weights)
    assert result.fills.select("symbol", "shares").rows() == [("S00", 50)]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"S00": float("inf")}, "weights that are no numbers: S00 inf"),
        ({"S00": float("-inf")}, "weights that are no numbers: S00 -inf"),
        ({"S00": np.nan, "S01": None}, "weights that are no numbers: S00 nan, S01 None"),
        ({"S00": True}, "weights that are no numbers: S00 True"),
        ({"S00": "0.5"}, "weights that are no numbers: S00 '0.5'"),
        ({"S00": [0.5]}, "weights that are no numbers: S00 [0.5]"),
        ({"S00": 1j}, "weights that are no numbers: S00 1j"),
        ({0: 0.5}, "unknown symbols: 0"),
        ({None: 0.5}, "unknown symbols: None"),
        ({("S00", "S01"): 0.5}, "unknown symbols"),
        ({"s00": 0.5}, "unknown symbols: s00"),
        ({"S00": 1e308, "S01": 1e308}, "expected at most 100%"),
        ({"S00": 1.001}, "weights sum to 100.1% of the account, expected at most 100%"),
        ({"S00": -1e-12}, "nothing may be sold short here: S00 -1e-12"),
        (0.5, "expected a mapping of symbols to weights or None, found float"),
        ("S00", "found str"),
        ([("S00", 0.5)], "found list"),
        (np.array([0.5, 0.5]), "found ndarray"),
        (pd.Series({"S00": 0.5}), "found Series"),
        (iter({"S00": 0.5}), "found dict_keyiterator"),
    ],
)
def test_what_is_no_decision_is_refused_in_one_line(weights, message):
    assert message in refusal(weights)


def test_a_hundred_unknown_symbols_are_counted_and_not_listed():
    text = refusal({f"X{i:03d}": 0.001 for i in range(100)})
    assert text.endswith("unknown symbols: X000, X001, X002, X003, X004 and 95 more")


def test_a_short_account_asks_for_no_more_than_the_whole_on_its_long_side():
    result = run(lambda view: {"S00": 1.0, "S01": -3.0}, short=True)
    assert result.positions.filter(date=result.dates[0])["weight"].to_list() == pytest.approx([1.0, -3.0])


def test_weights_too_small_for_a_share_buy_nothing_and_hold_nothing_up():
    assert len(run(lambda view: {"S00": 1e-300, "S01": 0.5}).fills.filter(symbol="S01")) == 1
    assert run(lambda view: {"S00": 1e-6}, lot=100).orders.is_empty()


def test_a_dictionary_that_is_changed_after_it_was_given_changes_nothing():
    kept: dict[str, float] = {}

    def decide(view):
        kept.clear()
        kept["S00"] = 0.5 if view.number == 0 else 0.25
        return kept

    result = run(decide)
    assert result.fills["shares"].to_list() == pytest.approx([50, 25])


def test_a_strategy_may_remember_what_it_likes():
    seen = []

    def decide(view):
        seen.append(view.account)
        return {"S00": 0.5} if len(seen) == 1 else None

    close = [[10.0, 20.0], [10.0, 20.0], [12.0, 20.0], [12.0, 20.0]]
    run(decide, close)
    assert seen == pytest.approx([1_000, 1_000, 1_100])


def test_what_is_written_into_a_view_reaches_no_other_one():
    scores = []

    def decide(view):
        scores.append(view.scores.tolist())
        view.scores[:], view.prices[:], view.shares[:] = 9, 9, 9
        view.bars("close", 9)[:] = 1
        return {"S00": 0.5}

    result = run(decide)
    assert scores == [[2, 1]] * 3
    assert result.account.tolist() == [1_000] * 3
    with pytest.raises(AttributeError):
        run(lambda view: setattr(view, "cash", 1e9))


def test_an_exception_in_a_later_session_names_it(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def decide(view):\n    return {'S00': 1 / (2 - view.number)}\n")
    with pytest.raises(KronosQuantError, match=r"own\.py:2: ZeroDivisionError: .* \(deciding on 2024-01-03\)"):
        run(load_decide(path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("yield {'S00': 0.5}", "expected a mapping of symbols to weights or None, found generator"),
        ("raise StopIteration", r"StopIteration"),
        ("return decide(view)", "RecursionError"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("assert view.cash < 0, 'in debt'", "AssertionError: in debt"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("return {symbol: 0.5 for symbol in view.symbol}", "AttributeError"),
    ],
)
def test_whatever_a_function_does_is_told_with_its_line(tmp_path, body, message):
    path = tmp_path / "own.py"
    path.write_text(f"def decide(view):\n    {body}\n")
    with pytest.raises(KronosQuantError, match=message) as error:
        run(load_decide(path))
    assert error.value.exit_code == 1


def test_a_function_of_another_shape_is_told(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def decide():\n    return {}\n")
    with pytest.raises(KronosQuantError, match=r"TypeError: decide\(\) takes 0 positional arguments"):
        run(load_decide(path))


def test_what_it_prints_is_no_part_of_the_commands_output(tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text("print('loaded')\ndef decide(view):\n    print('thinking', view.number)\n    return {'S00': 0.5}\n")
    run(load_decide(path))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["loaded", "thinking 0", "thinking 1", "thinking 2"]


RULES = ("topk_dropout", "topk_rebalance", "long_short_quantile", "buy_and_hold")


@pytest.mark.parametrize("profile", ["exchange", "qlib"])
@pytest.mark.parametrize("seed", range(16))
def test_one_changed_number_after_a_row_changes_nothing_until_then(seed, profile):
    """Each field by itself, in a single cell: what looks ahead at one field only would hide among all of them."""
    panel = random_market(seed)[0]
    kind = "topk_dropout" if profile == "qlib" else RULES[seed % 4]
    if profile == "exchange" and seed % 3 == 0:
        panel = intraday(panel, 3)
    strategy = random_strategy(seed, strategy=kind, every=1 + seed % 3)
    if profile == "qlib":
        strategy = strategy.model_copy(update={"profile": "qlib", "liquidity": sizeless({}).liquidity})
    rng = np.random.default_rng([seed, 12])
    T, N = panel.score.shape
    whole = simulate(strategy, panel)
    for field in ("open", "high", "low", "close", "volume", "score"):
        # the first symbol has no volume at all in some of these markets
        t, n = int(rng.integers(0, T)), 0 if field == "volume" else int(rng.integers(0, N))
        values = getattr(panel, field).copy()
        values[t, n] = values[t, n] * 1.37 + 0.01
        other = simulate(strategy, replace(panel, **{field: values}))
        days = [day for day in whole.dates if day < panel.dates[t]]
        np.testing.assert_array_equal(whole.account[: len(days)], other.account[: len(days)], err_msg=field)
        before = [frame.orders.filter(frame.orders["date"] < panel.dates[t]) for frame in (whole, other)]
        assert before[0].equals(before[1]), field
