from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from backtest.test_properties import SEEDS, case, run

from kronos_quant.backtest import replay
from kronos_quant.backtest.replay import (
    compile_portfolio,
    replay_of,
    start_compiling,
    vectorbt_account,
    without_notebooks,
)


@pytest.fixture
def started(monkeypatch):
    """The commands of processes that would have been started."""
    commands = []
    monkeypatch.setattr(replay.subprocess, "Popen", lambda command, **settings: commands.append(command))
    return commands


def test_the_first_run_of_a_machine_says_that_it_compiles_and_compiles_vectorbt_beside(
    monkeypatch, tmp_path, caplog, started
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with caplog.at_level(logging.INFO):
        start_compiling()
    assert "first back-test on this machine" in caplog.text
    [command] = started
    assert command[0] == sys.executable
    compile(command[2], "command", "exec")
    assert "compile_portfolio()" in command[2]


def test_a_machine_that_has_compiled_says_and_starts_nothing(monkeypatch, tmp_path, caplog, started):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "nb.simulate_from_orders_nb-1353.py311.nbi").touch()
    with caplog.at_level(logging.INFO):
        assert start_compiling() is None
    assert (caplog.text, started) == ("", [])


def test_what_is_compiled_beforehand_is_what_a_back_test_needs():
    compile_portfolio()
    from vectorbt.portfolio import nb

    before = len(nb.simulate_from_orders_nb.signatures)
    strategy, panel, rules = case(4)
    ledger = run(4, strategy, panel, rules)
    assert len(ledger.fills)
    vectorbt_account(ledger, panel)
    assert len(nb.simulate_from_orders_nb.signatures) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_every_account_is_vectorbts_too(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    np.testing.assert_allclose(vectorbt_account(ledger, panel), ledger.account, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_symbol_has_two_fills_in_a_bar(seed):
    """vectorbt takes one order a cell: a second one would overwrite the first."""
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    assert np.isfinite(replay_of(ledger).size).sum() == len(ledger.fills)


def test_an_import_without_notebooks_hides_them_only_meanwhile():
    code = (
        "import sys; from kronos_quant.backtest.replay import without_notebooks\n"
        "with without_notebooks():\n"
        "    import plotly.io._renderers as found\n"
        "assert found.nbformat is None and 'nbformat' not in sys.modules\n"
        "import nbformat\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_keeps_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", object())
    before = dict(sys.modules)
    with without_notebooks():
        assert sys.modules == before
