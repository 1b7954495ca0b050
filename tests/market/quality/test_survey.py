from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.config import GatesConfig
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import BarBatch, Market, open_market, store_bars
from kronos_quant.market.database import DATABASE, DB_FOLDER
from kronos_quant.market.quality.checks import Check, iter_checks
from kronos_quant.market.quality.survey import Gate, Survey, by_symbol, survey

BatchMaker = Callable[..., BarBatch]


@pytest.fixture(scope="module")
def stored(make_batch: BatchMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A: a jump on the third day and a close beside its range on the fourth (rejected); B is well."""
    close = pl.when(pl.col("close") == 16.0).then(99.0).otherwise("close")
    closes = {"A": {1: 10.0, 2: 10.0, 3: 15.0, 4: 16.0}, "B": {1: 10.0, 2: 10.0}}
    root = tmp_path_factory.mktemp("stored")
    store_bars(root, make_batch(closes, close=close))
    return root


@pytest.fixture
def market(tmp_path: Path, stored: Path) -> Market:
    """A copy of `stored`."""
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    return open_market(tmp_path)


def look(market: Market, **gates: object) -> Survey:
    return survey(market, list(iter_checks()), GatesConfig.model_validate(gates))


def test_a_survey_names_the_stored_bars_that_rules_find_and_the_rejected_ones(market: Market) -> None:
    found = look(market)
    assert found.bars == 5
    assert found.found.rows() == [("price_jump", "A", datetime(2024, 1, 4).date(), datetime(2024, 1, 4))]
    assert found.refused.select("rule", "symbol", "time").rows() == [("close_outside_range", "A", datetime(2024, 1, 5))]
    assert found.gates == ()


def test_a_survey_leaves_the_database_alone(market: Market) -> None:
    (market.snapshot.folder.parents[1] / DATABASE).unlink()
    assert look(market).found.height == 1
    assert not (market.snapshot.folder.parents[1] / DATABASE).exists()
    assert market.snapshot.folder.parents[1].name == DB_FOLDER


def test_counts_by_symbol_put_the_worst_first() -> None:
    times = [datetime(2024, 1, day) for day in (2, 3, 4)]
    found = pl.DataFrame({"rule": ["r", "r", "r"], "symbol": ["A", "B", "B"], "time": times})
    assert by_symbol(found).rows() == [
        ("r", "B", 2, datetime(2024, 1, 3), datetime(2024, 1, 4)),
        ("r", "A", 1, datetime(2024, 1, 2), datetime(2024, 1, 2)),
    ]


def test_a_gate_holds_up_to_what_it_allows(market: Market) -> None:
    found = look(market, max_rejected_share=0.2, rules={"price_jump": 1, "close_outside_range": 1})
    assert found.gates == (
        Gate("max_rejected_share", 0.2, 1 / 6),
        Gate("price_jump", 1, 1),
        Gate("close_outside_range", 1, 1),
    )
    assert found.failed == []
    found.enforce_gates()


def test_failed_gates_are_one_error_that_lists_them(market: Market) -> None:
    found = look(market, max_rejected_share=0.1, rules={"price_jump": 0, "stale_run": 0})
    with pytest.raises(DataError) as caught:
        found.enforce_gates()
    assert str(caught.value).splitlines() == [
        "2 of 3 gates fail",
        "max_rejected_share: found 0.166667, allowed 0.1",
        "price_jump: found 1, allowed 0",
    ]
    assert caught.value.exit_code == 3
    assert caught.value.hint == "Fix the source and ingest it again, or change `gates:` in kq.yaml."


def test_a_gate_on_a_rule_that_nobody_has_is_refused(market: Market) -> None:
    with pytest.raises(
        ConfigError, match=r"^kq\.yaml: gates\.rules\.price_jmp: no such check; did you mean price_jump"
    ):
        look(market, rules={"price_jmp": 0})
    with pytest.raises(
        ConfigError,
        match=r"gates\.rules\.xyz: no such check; expected amount_mismatch, calendar_contradiction, close_outside",
    ):
        look(market, rules={"xyz": 0})


def test_a_gate_may_be_on_an_own_check(market: Market) -> None:
    own = Check("mine", "warning", "because", "SELECT row FROM incoming", Path("mine.sql"))
    assert survey(market, [own], GatesConfig(rules={"mine": 4})).failed == [Gate("mine", 4, 5)]
