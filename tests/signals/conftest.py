"""A trained workspace made ready to compute signals, and a way to change its bars."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from made import intraday_workspace

from kronos_quant import schema
from kronos_quant.market import BarBatch, Market, open_market, store_bars
from kronos_quant.market.store import make_instruments
from kronos_quant.signals import Recipe, SignalStore, Weights, find_weights, scorer
from kronos_quant.signals.generate import Plan, generate, make_plan
from kronos_quant.signals.recipe import ResolvedRecipe, resolve_recipe
from kronos_quant.workspace import WorkspaceFolder, open_workspace_folder


@dataclass(frozen=True)
class Bench:
    """What the signals of one recipe are made from."""

    workspace: WorkspaceFolder
    weights: Weights
    recipe: ResolvedRecipe
    store: SignalStore

    @property
    def market(self) -> Market:
        """The newest snapshot."""
        return open_market(self.workspace.root, self.recipe.freq)

    def plan(self, dates: Sequence[date]) -> Plan:
        return make_plan(self.market, self.recipe, self.store, dates)

    def compute(self, dates: Sequence[date]) -> pl.DataFrame:
        """Compute what is missing and read all."""
        generate(self.plan(dates), self.weights.pair, self.recipe, self.store, ["cpu"])
        return self.store.read(list(dates))

    def pretend(self, dates: Sequence[date]) -> None:
        """Store an empty file for each date, as if it were computed: for tests of what is held."""
        for work in self.plan(dates).missing:
            self.store.write(work.on, pl.DataFrame(), work.seen)

    def missing(self, dates: Sequence[date]) -> list[date]:
        return [work.on for work in self.plan(dates).missing]

    def ingest(
        self,
        bars: pl.DataFrame,
        universes: pl.DataFrame | None = None,
        exchange: str = "XNYS",
        freq: str = schema.DAILY,
    ) -> None:
        """Bring bars in as any source does: known ones are replaced, new ones added."""
        store_bars(
            self.workspace.root,
            BarBatch(
                source="test",
                path=None,
                freq=freq,
                bars=bars,
                instruments=make_instruments(bars["symbol"].unique().to_list(), exchange),
                universes=pl.DataFrame(schema=schema.UNIVERSES) if universes is None else universes,
                sessions=bars["date"].unique().sort().to_list(),
                exchange=exchange,
            ),
        )


@pytest.fixture
def bench(trained_workspace: WorkspaceFolder) -> Callable[..., Bench]:
    """A function that makes a bench with other recipe settings or another store."""

    def make(store: Path | None = None, universe: str = "all", **settings: object) -> Bench:
        weights = find_weights(trained_workspace, "latest")
        recipe = Recipe.model_validate({"samples": 4, "horizon": 2, "max_missing_bars": 200} | settings)
        resolved = resolve_recipe(recipe, weights, universe, schema.DAILY)
        return Bench(
            trained_workspace, weights, resolved, SignalStore(store or trained_workspace.signal_store, resolved)
        )

    return make


@pytest.fixture(scope="session")
def intraday_folder(shared_folder: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A workspace with half-hour bars of Shanghai, eight a session, of four symbols."""
    return shared_folder("intraday", intraday_workspace)


@pytest.fixture
def intraday(trained_workspace: WorkspaceFolder, intraday_folder: Path, tmp_path: Path) -> Callable[..., Bench]:
    """The same over a copy of half-hour bars; the model was trained on days."""
    shutil.copytree(intraday_folder, tmp_path / "intraday")
    workspace = open_workspace_folder(tmp_path / "intraday")

    def make(**settings: object) -> Bench:
        weights = find_weights(trained_workspace, "latest")
        recipe = Recipe.model_validate({"samples": 2, "horizon": 3} | settings)
        resolved = resolve_recipe(recipe, weights, "all", "30min", "mine")
        return Bench(workspace, weights, resolved, SignalStore(workspace.signal_store, resolved))

    return make


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates are scored in this process: starting others takes longer than the work of a test."""
    monkeypatch.setattr(scorer, "cores", lambda: 1)
