"""The shipped rules worked out by hand, and a user's own file."""

from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, random_market, sizeless

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.strategies.rules import load_decide
from kronos_quant.errors import ConfigError, KronosQuantError

NAN = float("nan")


def strategy_of(name: str, **fields) -> Strategy:
    plain = {"strategy": name, "account": 100_000.0, "lot": 0, "price_limit": "none", "risk_degree": 1.0}
    return sizeless(plain | {"costs": {"buy": 0, "sell": 0, "minimum": 0, "borrow": 0}} | fields)


def weights_after(result, day: int) -> dict[str, float]:
    rows = result.positions.filter(date=result.dates[day])
    return {symbol: round(weight, 6) for symbol, weight in rows.select("symbol", "weight").iter_rows()}


FLAT = np.full((5, 4), 10.0)
FALLING = [[4, 3, 2, 1]] * 5


def test_rebalancing_holds_the_best_equally():
    result = simulate(strategy_of("topk_rebalance", topk=2), panel_of(FALLING, FLAT))
    assert weights_after(result, 0) == {"S00": 0.5, "S01": 0.5}
    assert len(result.fills) == 2


def test_rebalancing_brings_moved_weights_back_every_few_sessions():
    close = [[10, 10], [20, 10], [20, 10], [20, 10], [20, 10]]
    panel = panel_of([[2, 1]] * 5, close, open_=[[10, 10], [10, 10], *close[2:]])
    result = simulate(strategy_of("topk_rebalance", topk=2, every=2), panel)
    assert weights_after(result, 0) == {"S00": 0.666667, "S01": 0.333333}
    assert weights_after(result, 1) == {"S00": 0.666667, "S01": 0.333333}
    assert weights_after(result, 2) == {"S00": 0.5, "S01": 0.5}


def test_weights_by_score_are_above_the_lowest_one_held():
    result = simulate(strategy_of("topk_rebalance", topk=3, weighting="score"), panel_of(FALLING, FLAT))
    assert weights_after(result, 0) == {"S00": 0.666667, "S01": 0.333333}
    equal = simulate(strategy_of("topk_rebalance", topk=2, weighting="score"), panel_of([[1, 1]] * 5, FLAT[:, :2]))
    assert weights_after(equal, 0) == {"S00": 0.5, "S01": 0.5}


def test_weights_by_inverse_volatility_are_of_the_moves_seen():
    close = np.array([[10, 10, 10], [11, 10.5, 10], [10, 10, 10], [11, 10.5, 10], [10, 10, 10], [10, 10, 10]])
    score = [[NAN] * 3] * 4 + [[3, 2, NAN]] * 2
    result = simulate(strategy_of("topk_rebalance", topk=2, weighting="inverse_volatility"), panel_of(score, close))
    first, second = (np.std(np.diff(close[:5, n]) / close[:4, n], ddof=1) for n in (0, 1))
    assert weights_after(result, 4)["S00"] == pytest.approx(second / (first + second), abs=1e-6)


def test_a_symbol_that_never_moved_counts_as_the_mean_of_the_others():
    close = np.array([[10, 10.0], [11, 10], [10, 10], [11, 10], [11, 10]])
    panel = panel_of([[NAN] * 2] * 3 + [[1, 2]] * 2, close)
    result = simulate(strategy_of("topk_rebalance", topk=2, weighting="inverse_volatility"), panel)
    assert weights_after(result, 3) == {"S00": 0.5, "S01": 0.5}


def test_long_and_short_are_half_of_the_account_each_and_borrowing_costs():
    strategy = strategy_of("long_short_quantile", quantile=0.25, costs={"borrow": 0.365}, sessions_per_year=365)
    result = simulate(strategy.model_copy(update={"costs": strategy.costs}), panel_of(FALLING, FLAT))
    held = weights_after(result, 0)
    assert held.keys() == {"S00", "S03"}
    assert held["S00"] == pytest.approx(0.5, abs=1e-3)
    assert held["S03"] == pytest.approx(-0.5, abs=1e-3)
    # a thousandth a session of 50,000
    assert result.metrics["borrow"] == pytest.approx(4 * 50.0, rel=1e-2)
    assert any("every share can be borrowed" in note for note in result.notes)


def test_a_short_position_gains_what_its_symbol_loses():
    close = [[10, 10], [10, 10], [12, 8], [12, 8]]
    result = simulate(strategy_of("long_short_quantile", quantile=0.5, every=9), panel_of([[2, 1]] * 4, close))
    # 5,000 shares each way: +2 and +2
    assert result.account[1] == pytest.approx(120_000)


def test_an_account_that_short_positions_cost_is_lost_and_that_is_said():
    close = [[10, 10], [10, 10], [10, 31], [10, 31]]
    result = simulate(strategy_of("long_short_quantile", quantile=0.5, every=9), panel_of([[2, 1]] * 4, close))
    # 5,000 shares short at 10, at 31 they cost 105,000 more
    assert result.account[1] == pytest.approx(-5_000)
    assert result.metrics["annual_return"] == -1.0
    assert result.notes[0].startswith("ACCOUNT WIPED OUT on 2024-01-03")


def test_buy_and_hold_buys_once_whatever_the_scores_become():
    score = [[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]
    result = simulate(strategy_of("buy_and_hold", topk=2), panel_of(score, FLAT))
    assert result.fills.select("symbol", "side").rows() == [("S00", "buy"), ("S01", "buy")]


@pytest.mark.parametrize("name", ["topk_rebalance", "long_short_quantile", "buy_and_hold"])
@pytest.mark.parametrize("seed", range(12))
def test_vectorbt_has_the_same_account_and_nothing_later_changes_what_was_done(name, seed):
    panel, _, _ = random_market(seed)
    strategy = strategy_of(name, topk=3, quantile=0.4, every=2, costs=PLAIN_COSTS, liquidity={"slippage": 0.001})
    result = simulate(strategy, panel)  # compares with vectorbt
    until = len(panel.dates) // 2
    changed = {field: getattr(panel, field).copy() for field in ("open", "high", "low", "close", "score")}
    for values in changed.values():
        values[until + 1 :] *= 1.7
    later = type(panel)(
        panel.dates, panel.symbols, **changed, volume=panel.volume, factor=panel.factor, delisted=panel.delisted
    )
    np.testing.assert_array_equal(result.account[:until], simulate(strategy, later).account[:until])


class Shown:
    date = moment = "2024-06-18"


def write(folder, text):
    path = folder / "own.py"
    path.write_text(text)
    return path


def test_the_function_of_a_file_is_called_with_the_view(tmp_path):
    decide = load_decide(write(tmp_path, "def decide(view):\n    return {'A': 0.5, 'on': view.date}\n"))
    assert decide(Shown()) == {"A": 0.5, "on": "2024-06-18"}


def test_two_files_of_one_name_are_two_strategies(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = load_decide(write(tmp_path / "a", "def decide(view):\n    return {'A': 1.0}\n"))
    second = load_decide(write(tmp_path / "b", "def decide(view):\n    return {'B': 1.0}\n"))
    assert first(Shown()) == {"A": 1.0}
    assert second(Shown()) == {"B": 1.0}


def test_an_exception_names_the_files_own_line_and_the_session(tmp_path):
    path = write(tmp_path, "import math\n\ndef decide(view):\n    return math.sqrt(\n        -1\n    )\n")
    with pytest.raises(KronosQuantError, match=r"own\.py:4: ValueError: .* \(deciding on 2024-06-18\)"):
        load_decide(path)(Shown())


def test_an_exit_is_an_error_with_its_line_too(tmp_path):
    path = write(tmp_path, "import sys\ndef decide(view):\n    sys.exit(3)\n")
    with pytest.raises(KronosQuantError, match=r"own\.py:3: SystemExit: 3 \(deciding on 2024-06-18\)") as error:
        load_decide(path)(Shown())
    assert error.value.exit_code == 1
    with pytest.raises(ConfigError, match=r"own\.py:1: SystemExit"):
        load_decide(write(tmp_path, "raise SystemExit\ndef decide(view):\n    return {}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1 / 0\n", r"own\.py:1: ZeroDivisionError"),
        ("def decide(view)\n    return {}\n", r"own\.py:1: SyntaxError"),
        ("def choose(view):\n    return {}\n", r"expected a function decide\(view\), found none"),
        ("decide = 3\n", r"expected a function decide\(view\), found none"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_decide(write(tmp_path, text))
    with pytest.raises(ConfigError, match="no such file of Python code"):
        load_decide(tmp_path / "nowhere.py")
