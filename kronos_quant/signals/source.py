"""Where the signals of a recipe come from: a model that computes them, an imported table, or other recipes."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.files import file_digest
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market import Market
from kronos_quant.own_code import check_allowed, find_code
from kronos_quant.signals.claims import remove_void_claims
from kronos_quant.signals.generate import generate, make_plan
from kronos_quant.signals.reading import blended_rows, finished_rows, sessions_needed
from kronos_quant.signals.recall import recall, remember
from kronos_quant.signals.recipe import (
    BlendedRecipe,
    ComputedRecipe,
    ImportedRecipe,
    Recipe,
    ResolvedRecipe,
    Weights,
    find_weights,
    resolve_blend,
    resolve_imported,
    resolve_recipe,
)
from kronos_quant.signals.result import Signals
from kronos_quant.signals.scorer import score_devices
from kronos_quant.signals.store import IMPORTED_FILE, SignalStore
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

UNKNOWN_MODEL_SESSIONS = 250
"""Without a card that says where training ended, a back-test covers the newest this many sessions."""
IMPORTED_SCORES = "The scores are external: whether their model has seen these dates is unknown."


@dataclass(frozen=True, slots=True)
class SignalSource(ABC):
    """A recipe that is ready to be read on the bars of a market."""

    market: Market
    recipe: ResolvedRecipe
    store: SignalStore
    members: tuple[SignalSource, ...] = field(default=(), kw_only=True)
    """Of a blend, what is averaged."""

    @property
    def lookback(self) -> int:
        """Bars that a symbol needs before it is scored; of a blend, before all members score it."""
        return max((member.lookback for member in self.members), default=0)

    @property
    def test_start(self) -> date | None:
        """First date after the training and validation data of every model; None where that is unknown."""
        return _latest(member.test_start for member in self.members)

    @abstractmethod
    def data_ends(self) -> dict[str, date | None]:
        """Each kind of data that the model has learnt from -> its last date, None where that is unknown."""

    @abstractmethod
    def coverage(self, dates: Sequence[date]) -> tuple[set[date], list[date]]:
        """Those of `dates` whose raw rows are stored and valid, and those that `kq signal` could compute.

        A blend's second part also has the dates that the steps of its members look back at.
        """

    @abstractmethod
    def _complete(
        self, dates: Sequence[date], device: str, gpus: int | None, *, compute: bool, allow_code: bool
    ) -> tuple[set[date], int, int]:
        """Compute what is missing; returns the dates that have rows, and how many were computed now and before."""

    def sources(self) -> Iterator[SignalSource]:
        """This source and, of a blend, those of its members."""
        yield from (self, *self.members)

    def stored_dates(self) -> list[date]:
        """The dates that have rows in the store, of a blend in each member's, whatever bars they were computed from."""
        stored = [source.store.dates() for source in self.members or (self,)]
        return sorted(set.intersection(*map(set, stored)))

    def first_stored(self) -> date | None:
        """The first date from which on the source, or every member of a blend, has rows in the store."""
        return max((dates[0] for source in self.sources() if (dates := source.store.dates())), default=None)

    def needed(self, dates: Sequence[date]) -> list[date]:
        """`dates` and the sessions before them that the recipe's steps and calibration look at."""
        return sessions_needed(self.market, self.recipe, dates)

    def read(self, dates: Sequence[date], *, by_bar: bool = False) -> pl.DataFrame:
        """The stored rows of `dates` with what the recipe's calibration and steps make of them.

        by_bar : see `finished_rows`. Whether a row is still what it would be is not checked: see `ensure`.
        """
        rows = self._raw_rows(self.needed(dates), by_bar=by_bar)
        return finished_rows(rows, self.market, self.recipe, dates, by_bar=by_bar)

    def _raw_rows(self, dates: Sequence[date], *, by_bar: bool) -> pl.DataFrame:
        """The stored rows before the recipe's own steps and calibration."""
        return self.store.read(dates)

    def path_returns(self, dates: Sequence[date], name: str) -> pl.DataFrame | None:
        """asof, symbol and as `name` each path's return at the horizon; None where no paths are stored."""
        return self.store.read_finals(dates, name) if self.recipe.recipe.paths else None

    def ensure(
        self,
        dates: Sequence[date],
        device: str = "auto",
        *,
        gpus: int | None = None,
        compute: bool = True,
        allow_code: bool = False,
    ) -> Signals:
        """The signals of `dates`, computing what is missing: also of the sessions before that the recipe looks at.

        device, gpus : see `score_devices`. compute : false raises DataError where a date is missing. allow_code :
        whether the recipe's own score may run; what is stored needs none.
        """
        needed = self.needed(dates)
        there, computed, present = self._complete(needed, device, gpus, compute=compute, allow_code=allow_code)
        found = sorted(there.intersection(dates))
        if not found:
            period = str(dates[0]) if dates[0] == dates[-1] else f"any session from {dates[0]} to {dates[-1]}"
            raise self.nothing_of(dates, period, there)
        empty = [on for on in dates if on not in there]
        folder = self.store.root if self.members else self.store.folder
        estimated = self.estimated(found)
        return Signals(self.recipe, folder, found, computed, present, empty, self.read, estimated)

    def estimated(self, dates: Sequence[date]) -> list[date]:
        """Those of `dates` whose forecast has time stamps that no calendar covers; none where nothing is forecast."""
        return sorted({on for member in self.members for on in member.estimated(dates)})

    def lacking(self, dates: Sequence[date]) -> set[date]:
        """Those of `dates` whose raw rows are missing or were computed from other bars, in any member of a blend."""
        return set(self.coverage(dates)[1]).intersection(dates) if dates else set()

    def with_history(self, dates: Sequence[date]) -> list[date]:
        """Those of `dates` for which the store has all that they look back at: else their score would be another."""
        return self._without(dates, self.lacking(self.needed(dates)))

    def _without(self, dates: Sequence[date], lacking: set[date]) -> list[date]:
        return [on for on in dates if not lacking.intersection(self.needed([on]))]

    def first_unseen(self) -> date:
        """First session after the training and validation data of the model, by its card."""
        sessions, start = self.market.sessions(), self.test_start
        if start is None:
            return sessions[-min(UNKNOWN_MODEL_SESSIONS, len(sessions))]
        return next((on for on in sessions if on >= start), sessions[-1])

    def default_period(self) -> tuple[date, date]:
        """First and last session of a back-test that names none: those that the model has not seen."""
        return self.first_unseen(), self.market.sessions()[-1]

    def contamination(self, sessions: Sequence[date]) -> list[str]:
        """Whether the model may have seen sessions of a back-test, in words; nothing where it has not."""
        if (start := self.test_start) is None:
            return ["The end date of the training data is unknown, so look-ahead contamination cannot be ruled out."]
        seen = sum(on < start for on in sessions)
        where = f"lie before {start}: the model was trained or validated on them."
        return [f"CONTAMINATED: {seen} of {len(sessions)} sessions {where}"] if seen else []

    def nothing_of(self, dates: Sequence[date], period: str, there: set[date]) -> DataError:
        """The error where none of `dates` has signals."""
        universe = self.recipe.universe
        if not any(self.market.members(universe, on) for on in dates):
            return DataError(
                f"{self.recipe.name}: universe {universe} has no member on {period}", hint=f"kq universe {universe}"
            )
        known = self.market.select_bars(end=max(dates)).group_by("symbol").len()["len"].to_list()
        return DataError(
            f"no symbol has {self.lookback} bars up to {period}: the longest series has {max(known, default=0)} bars",
            hint="Choose later dates, or a recipe with a shorter lookback_window.",
        )


@dataclass(frozen=True, slots=True)
class ComputedSource(SignalSource):
    """Signals that a model computes."""

    recipe: ComputedRecipe
    weights: Weights

    @property
    def lookback(self) -> int:
        """Bars that the model sees."""
        return self.recipe.lookback

    @property
    def test_start(self) -> date | None:
        """First date after the training and validation data of the model; None where its card does not say."""
        return self.weights.card.unseen_from

    def data_ends(self) -> dict[str, date | None]:
        """Last dates of the model's training data and, unless it was trained from scratch, of its base's."""
        card = self.weights.card
        ends = {"training data": card.trained_until}
        return ends if card.from_scratch else ends | {"pre-training data": card.pretraining_cutoff}

    def coverage(self, dates: Sequence[date]) -> tuple[set[date], list[date]]:
        """Those of `dates` that are stored and would be computed alike today, and those that could be computed."""
        self.store.note()
        known = recall(self.market, self.store)
        if set(dates) - known.keys():
            plan = make_plan(self.market, self.recipe, self.store, dates)
            known = remember(self.market, self.store, known, plan.seen_by_date())
        seen = {on: digest for on in dates if (digest := known[on]) is not None}
        present = {on for on, digest in seen.items() if self.store.holds(on, digest)}
        return present, [on for on in seen if on not in present]

    def estimated(self, dates: Sequence[date]) -> list[date]:
        """Those of `dates` whose forecast has time stamps that no calendar covers."""
        ends = self.market.times().filter(pl.col("date").is_in(list(dates))).group_by("date").agg(pl.col("time").max())
        last = ends.sort("date").rows()
        return [on for on, end in last if any(self.market.next_times(end, self.recipe.horizon).estimated)]

    def _complete(
        self, dates: Sequence[date], device: str, gpus: int | None, *, compute: bool, allow_code: bool
    ) -> tuple[set[date], int, int]:
        plan = make_plan(self.market, self.recipe, self.store, dates)
        remove_void_claims(self.store.root)  # also where nothing is missing: a killed process may have left its last
        computed = 0
        if plan.missing:
            first, last = plan.missing[0].on, plan.missing[-1].on
            count = f"{len(plan.missing)} of {len(dates)} sessions ({first} to {last}) have no signals yet"
            if not compute:
                raise DataError(count, hint=f"kq signal --recipe {self.recipe.name} --start {first} --end {last}")
            if self.recipe.own_score is not None:
                check_allowed(self.recipe.own_score.path, "the recipe's own_score is", allowed=allow_code)
            logger.info("%s: computing %d forecasts", count, plan.windows)
            started = time.perf_counter()
            computed = generate(plan, self.weights.pair, self.recipe, self.store, score_devices(device, gpus))
            logger.info("computed %d sessions in %.0f s", computed, time.perf_counter() - started)
        remember(self.market, self.store, recall(self.market, self.store), plan.seen_by_date())
        there = {*plan.present, *(work.on for work in plan.missing)}
        return there, computed, len(there) - computed


@dataclass(frozen=True, slots=True)
class ImportedSource(SignalSource):
    """Signals stored by `kq signal import`."""

    recipe: ImportedRecipe

    def data_ends(self) -> dict[str, date | None]:
        """Unknown."""
        return {"data behind the imported signals": None}

    def coverage(self, dates: Sequence[date]) -> tuple[set[date], list[date]]:
        """Those of `dates` that were imported; nothing can compute the others."""
        return set(self.store.dates()).intersection(dates), []

    def default_period(self) -> tuple[date, date]:
        """The first session that was imported, and the session after the last one, in which its scores trade."""
        known, dates = self.market.sessions(), self.store.dates()
        if dates:
            return dates[0], next((on for on in known if on > dates[-1]), known[-1])
        raise self.nothing_of(dates, "any session", set())

    def contamination(self, sessions: Sequence[date]) -> list[str]:
        """That nothing is known."""
        return [IMPORTED_SCORES]

    def _complete(
        self, dates: Sequence[date], device: str, gpus: int | None, *, compute: bool, allow_code: bool
    ) -> tuple[set[date], int, int]:
        there = set(self.store.dates())
        return there, 0, len(there.intersection(dates))

    def nothing_of(self, dates: Sequence[date], period: str, there: set[date]) -> DataError:
        """The error where none of `dates` was imported."""
        span = f"available: {min(there)} to {max(there)}" if there else "nothing was imported under this name"
        hint = f"kq signal import FILE --name {self.recipe.recipe.imported}"
        return DataError(f"{self.recipe.name}: no imported signals for {period}: {span}", hint=hint)


@dataclass(frozen=True, slots=True)
class BlendSource(SignalSource):
    """The average of other recipes' signals."""

    recipe: BlendedRecipe

    def data_ends(self) -> dict[str, date | None]:
        """Of each kind of data the latest end, None where one member does not know it."""
        parts = [member.data_ends() for member in self.members]
        kinds = dict.fromkeys(kind for part in parts for kind in part)
        return {kind: _latest(part[kind] for part in parts if kind in part) for kind in kinds}

    def coverage(self, dates: Sequence[date]) -> tuple[set[date], list[date]]:
        """Those of `dates` that all members have, and all dates that could be computed for one."""
        parts = [member.coverage(member.needed(dates)) for member in self.members]
        return set.intersection(*(part[0] for part in parts)), sorted({on for _, missing in parts for on in missing})

    def with_history(self, dates: Sequence[date]) -> list[date]:
        """Those of `dates` for which the store has all that the blend and its members look back at."""
        needed = self.needed(dates)
        behind = {on for member in self.members for on in set(needed) - set(member.with_history(needed))}
        return self._without(dates, self.lacking(needed) | behind)

    def _raw_rows(self, dates: Sequence[date], *, by_bar: bool) -> pl.DataFrame:
        return blended_rows([(member.recipe, member.read(dates, by_bar=by_bar)) for member in self.members])

    def _complete(
        self, dates: Sequence[date], device: str, gpus: int | None, *, compute: bool, allow_code: bool
    ) -> tuple[set[date], int, int]:
        parts = [
            member.ensure(dates, device, gpus=gpus, compute=compute, allow_code=allow_code) for member in self.members
        ]
        there = set.intersection(*(set(part.dates) for part in parts))
        return there, sum(part.computed for part in parts), sum(part.present for part in parts)


def open_source(workspace: WorkspaceFolder, recipe: PathLike, market: Market) -> SignalSource:
    """Load a recipe, to be read on the bars of a market.

    Parameters
    ----------
    recipe : its name in signals/, or its file

    Raises
    ------
    ConfigError, DataError, CheckpointError
        for what it names and is not there.
    """
    path = workspace.recipe_file(str(as_path(recipe, "recipe")))
    settings = load_yaml(Recipe, path)
    universe = settings.universe or workspace.config.market.universe
    if universe != "all":
        market.universe(universe)
    if settings.members:
        return _open_blend(workspace, path.stem, settings, market)
    if settings.imported is not None:
        return _open_import(workspace, path.stem, settings, market)
    weights = find_weights(workspace, settings.model)
    code = settings.own_score
    own = None if code is None else find_code(workspace.root / code.expanduser(), "own_score")
    resolved = resolve_recipe(settings, weights, universe, market.freq, path.stem, own)
    return ComputedSource(market, resolved, SignalStore(workspace.signal_store, resolved), weights)


def open_computed(workspace: WorkspaceFolder, recipe: PathLike, market: Market) -> ComputedSource:
    """Load a recipe that has a model.

    Parameters
    ----------
    workspace, market
        The workspace and its bars.
    recipe
        Its name in signals/, or its file.

    Raises
    ------
    ConfigError
        For an import and a blend.
    """
    source = open_source(workspace, recipe, market)
    if not isinstance(source, ComputedSource):
        raise ConfigError(f"{source.recipe.model}: has no model of its own", hint="Choose a recipe with a model.")
    return source


def _open_import(workspace: WorkspaceFolder, name: str, settings: Recipe, market: Market) -> SignalSource:
    universe = workspace.config.market.universe
    # the recipe's key is its name alone; the content is known by the digest of the file
    store = SignalStore(workspace.signal_store, resolve_imported(settings, universe, market.freq, name))
    table = store.folder / IMPORTED_FILE
    digest = file_digest(table) if table.is_file() else ""
    resolved = resolve_imported(settings, universe, market.freq, name, digest)
    return ImportedSource(market, resolved, SignalStore(workspace.signal_store, resolved))


def _open_blend(workspace: WorkspaceFolder, name: str, settings: Recipe, market: Market) -> SignalSource:
    members = []
    for member in settings.members:
        if load_yaml(Recipe, workspace.recipe_file(member)).members:
            raise ConfigError(f"{name}: members: {member} is itself a blend", hint="Name its members instead.")
        members.append(open_source(workspace, member, market))
    resolved = resolve_blend(settings, tuple(member.recipe for member in members), market.freq, name)
    return BlendSource(market, resolved, SignalStore(workspace.signal_store, resolved), members=tuple(members))


def _latest(dates: Iterable[date | None]) -> date | None:
    """The latest of some dates, None where one is not known."""
    found = list(dates)
    known = [on for on in found if on is not None]
    return max(known) if known and len(known) == len(found) else None
