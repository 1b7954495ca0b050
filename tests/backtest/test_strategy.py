from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from kronos_quant.backtest import Strategy
from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError
from kronos_quant.validity.trials import trial_key

RULES = {"rebalance": "topk_rebalance", "long_short": "long_short_quantile", "buy_and_hold": "buy_and_hold"}
STRATEGIES = Path(__file__).parents[2] / "strategies"


def read(tmp_path: Path, text: str) -> Strategy:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    return load_yaml(Strategy, path)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("topk: 20\nend: 2024-01-01\nstart: 2024-02-01\n", "a.yaml:3: start must not be after end"),
        ("fill: open\ntopk: 3\n", "a.yaml:2: n_drop must be at most topk (3), found 5"),
        ("fill: open\ncosts:\n  buy: 0.1\n  open_cost: 0.1\n", "a.yaml:4: costs: open_cost and buy are the same"),
    ],
)
def test_a_check_of_several_fields_names_the_line_of_the_first(tmp_path, text, place):
    assert place in message(tmp_path, text)


@pytest.mark.parametrize("path", sorted(STRATEGIES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_strategy_is_valid(path):
    assert load_yaml(Strategy, path).strategy == RULES.get(path.stem, "topk_dropout")


def test_the_shipped_topk_is_the_one_of_the_guide():
    strategy = load_yaml(Strategy, STRATEGIES / "topk.yaml")
    assert (strategy.topk, strategy.n_drop, strategy.hold_thresh) == (50, 5, 5)
    assert (strategy.costs.levies, strategy.costs.commission, strategy.costs.buy) == ("exchange", None, None)
    assert (strategy.fill, strategy.benchmark, strategy.recipe) == ("open", "auto", "default")
    assert strategy == Strategy.model_validate({})


def test_the_guides_names_and_qlibs_are_aliases(tmp_path):
    strategy = read(
        tmp_path, "n_symbol_hold: 20\nn_symbol_drop: 2\ncosts: {open_cost: 0.0005, close_cost: 0.001, min_cost: 1}\n"
    )
    assert (strategy.topk, strategy.n_drop) == (20, 2)
    assert (strategy.costs.buy, strategy.costs.sell, strategy.costs.minimum) == (0.0005, 0.001, 1)


def test_a_dump_with_the_fields_own_names_reads_back_as_the_same_strategy():
    strategy = Strategy.model_validate({"topk": 3, "n_drop": 1, "start": "2024-01-02", "costs": {"buy": 0.002}})
    assert Strategy.model_validate(strategy.model_dump(mode="json")) == strategy
    assert strategy.start == date(2024, 1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("topk: 5\nn_symbol_hold: 5\n", "n_symbol_hold and topk are the same setting"),
        ("costs: {buy: 0.1, open_cost: 0.1}\n", "open_cost and buy are the same setting"),
        ("topk: 3\n", "n_drop must be at most topk (3), found 5"),
        ("start: 2024-02-01\nend: 2024-01-01\n", "start must not be after end (2024-01-01), found 2024-02-01"),
        ("start: yesterday\n", "start: must be a date such as 2025-06-05, found 'yesterday'"),
        ("end: 20250505\n", "end: must be a date such as 2025-06-05, found 20250505"),
        ("start: 2025-02-30x\n", "must be a date such as 2025-06-05"),
        ("- topk\n- n_drop\n", "a.yaml:1: expected fields (name: value), found list"),
        ("hello\n", "a.yaml:1: expected fields (name: value), found str"),
        ("topkk: 3\n", "a.yaml:1: topkk: no such field; did you mean topk?"),
        ("signal: x\ntopk: 0\n", "a.yaml:2: topk: must be greater than or equal to 1"),
        ("costs: {buy: -0.1}\n", "costs.buy: must be greater than or equal to 0"),
        ("costs: {commission: 0.1, buy: 0.1, sell: 0.1}\n", "give either them or commission"),
        ("lots: {HK00700: 0}\n", "lots.HK00700: must be greater than or equal to 1"),
        ("fill: noon\n", "fill: must be 'open', 'close', 'vwap' or 'twap'"),
        ("strategy: my_own\n", "strategy: must be 'topk_dropout'"),
        ("strategy: python\n", "`strategy: python` and `code:` go together"),
        ("code: my.py\n", "`strategy: python` and `code:` go together"),
        ("profile: qlib\nstrategy: buy_and_hold\n", "Qlib has topk_dropout only, found buy_and_hold"),
        ("profile: qlib\nliquidity: {slippage: 0.1}\n", "liquidity needs `profile: exchange`"),
        ("qlib: {only_tradable: true}\n", "the section qlib needs `profile: qlib`"),
        (
            "profile: qlib\nonly_tradable: true\nqlib: {only_tradable: true}\n",
            "qlib.only_tradable and only_tradable are",
        ),
        ("liquidity: {participation: 0}\n", "liquidity.participation: must be greater than 0"),
        ("quantile: 0.6\n", "quantile: must be less than or equal to 0.5"),
        ("lot: -1\n", "must be a whole number of shares (0: fractions), at most 1,000,000,000, or exchange, found -1"),
        ("lot: true\n", "must be a whole number of shares"),
        ("price_limit: 10\n", "must be a fraction between 0 and 1, exchange or none, found 10"),
        ("price_limit: [$change > 0.1, $change < -0.1]\n", "price_limit: expressions need `profile: qlib`"),
        ("profile: qlib\nprice_limit: [$change > 0.1, 0.1]\n", "expected an expression such as"),
        ("profile: qlib\nprice_limit: [$change > 0.1, __import__('os')]\n", "found \"__import__('os')\" in it"),
        ("profile: qlib\nprice_limit: [$change > 0.1, 'Operators.reset() + $a']\n", "found 'Operators.reset"),
        ("profile: qlib\nprice_limit: [$change > 0.1, '9 ** 9 + $close']\n", "found '* 9 + $close' in it"),
        ("profile: qlib\nprice_limit: [$change > 0.1, 1 > 0]\n", "found no field in '1 > 0'"),
        ("topk: 2\nn_drop: 3\n", "n_drop must be at most topk (2), found 3"),
        ("account: .nan\n", "account: must be a finite number"),
        ("risk_degree: 1.5\n", "cash_fraction: must be less than or equal to 1"),
    ],
)
def test_a_mistake_is_named_with_its_field(tmp_path, text, expected):
    assert expected in message(tmp_path, text)


@pytest.mark.parametrize(("text", "lot", "limit"), [("lot: 0\nprice_limit: none\n", 0, "none"),
                                                    ("lot: 100\nprice_limit: 0.095\n", 100, 0.095)])  # fmt: skip
def test_rules_of_ones_own(tmp_path, text, lot, limit):
    strategy = read(tmp_path, text)
    assert (strategy.lot, strategy.price_limit) == (lot, limit)


def test_every_field_says_what_it_is():
    for model in (Strategy, type(Strategy.model_validate({}).costs)):
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"signal": "own"}, {"recipe": "own"}),
        ({"scores": "a.csv", "score": "p_rise"}, {"scores_file": "a.csv", "score_column": "p_rise"}),
        ({"max_missing": 0.1}, {"max_missing_scores": 0.1}),
        ({"costs": {"liquidity": "maker"}}, {"costs": {"liquidity_role": "maker"}}),
        ({"risk_degree": 0.8}, {"cash_fraction": 0.8}),
        ({"strategy": "topk_rebalance", "risk_degree": 0.8}, {"strategy": "topk_rebalance", "target_exposure": 0.8}),
    ],
)
def test_old_names_of_settings_mean_the_new_ones(old, new):
    assert Strategy.model_validate(old) == Strategy.model_validate(new)
    assert Strategy.model_validate(Strategy.model_validate(old).model_dump(mode="json")) == Strategy.model_validate(new)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_exposure": 0.8}, "target_exposure does not apply to topk_dropout: use cash_fraction"),
        ({"strategy": "buy_and_hold", "cash_fraction": 1.0}, "cash_fraction does not apply to buy_and_hold"),
        ({"risk_degree": 0.8, "cash_fraction": 0.8}, "risk_degree and cash_fraction are the same setting here"),
        ({"signal": "a", "recipe": "b"}, "signal and recipe are the same setting: give one of them"),
    ],
)
def test_a_share_that_the_rule_does_not_have_and_two_names_at_once_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Strategy.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "e88ca9f45a208431ec3f9a6078bfbf9e287e64a55ccbc6b2ceec66c616eacdf3"),
        ({"topk": 20, "n_drop": 2, "cash_fraction": 0.8},
         "3a1ddb465d5e747c5e00840810e309c11d038ce64b4e34b3b90b4f8387f0078e"),
        ({"strategy": "topk_rebalance", "target_exposure": 0.9, "every": 5, "weighting": "score"},
         "4a691a844baa8933705642b74829f8b3477d52ec6bc22ae3f9fc4264732ce9e2"),
        ({"recipe": "other", "score_column": "p_rise", "max_missing_scores": 0.05, "start": "2024-07-01"},
         "63ffb7b16280731962b74dd143a2a43b5feb5590374f48d6a4b15da478dc820b"),
        ({"scores_file": "a.parquet", "costs": {"liquidity_role": "maker", "buy": 0.001, "minimum": 5}},
         "939a00bdea4c056c359e5991169be26df80630d31d215f2fc78b821399781a4d"),
    ],
)  # fmt: skip
def test_renamed_settings_leave_the_digest_of_a_trial_as_it_was(settings, key):
    # what these files meant when the digests were computed
    off = {"liquidity": {"impact": 0, "participation": None}, "only_tradable": False}
    assert trial_key(Strategy.model_validate(settings | off), "abc", "code") == key
    now = trial_key(Strategy.model_validate(settings), "abc", "code")
    assert now != key
    stated = {"liquidity": {"impact": 1.0, "participation": 0.1, "slippage": 0.0}, "only_tradable": True}
    assert trial_key(Strategy.model_validate(settings | stated), "abc", "code") == now


def test_a_digest_of_the_profile_qlib_is_as_it_was_for_it_has_no_liquidity():
    key = "5f9d933eac8c3ae678d36eab47d1f20f39912fa0a65122558bef195bdea01f0a"
    for liquidity in ({}, {"liquidity": {}}, {"liquidity": {"impact": 0, "participation": None}}):
        assert trial_key(Strategy.model_validate({"profile": "qlib"} | liquidity), "abc", "code") == key
    places = ({"only_tradable": True}, {"qlib": {"only_tradable": True}})
    assert len({trial_key(Strategy.model_validate({"profile": "qlib"} | place), "abc") for place in places}) == 1
    with pytest.raises(ValidationError, match="liquidity needs `profile: exchange`"):
        Strategy.model_validate({"profile": "qlib", "liquidity": {"impact": 1.0}})


def test_only_tradable_is_read_in_its_former_place_and_is_by_default_what_the_profile_does():
    chosen = ({}, {"profile": "qlib"}, {"only_tradable": False}, {"profile": "qlib", "only_tradable": True},
              {"profile": "qlib", "qlib": {"only_tradable": True}})  # fmt: skip
    found = [Strategy.model_validate(settings).orders_only_tradable for settings in chosen]
    assert found == [True, False, False, True, True]
