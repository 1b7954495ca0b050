from __future__ import annotations

import os
from importlib import import_module

import pytest
from filelock import FileLock


@pytest.fixture(autouse=True, scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of several processes that run tests on a machine where nothing is compiled yet, one compiles; the others wait.

    Each would take half a minute for the same.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    with FileLock(tmp_path_factory.getbasetemp().parent / "compiling.lock"):
        for loop in ("qlib", "states", "targets", "topk_dropout"):
            import_module(f"kronos_quant.backtest.kernel.{loop}")
        from kronos_quant.backtest.vectorbt_check import compile_portfolio

        compile_portfolio()
