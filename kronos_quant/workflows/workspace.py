"""The front door: a workspace as one object, with a method for each command.

A method does what its command does, with the same defaults, checks and run folder; the command line calls the methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import DateLike, PathLike, Symbols, Table, as_flag, as_path, as_settings, as_texts
from kronos_quant.workflows.sources import WorkspaceSources
from kronos_quant.workspace import init_workspace, open_workspace_folder

if TYPE_CHECKING:
    import polars as pl

    from kronos_quant.backtest.inputs import StrategyLike
    from kronos_quant.backtest.qlib.parity import ParityReport
    from kronos_quant.backtest.result import BacktestRun
    from kronos_quant.backtest.sweep import Grid
    from kronos_quant.evaluation.scorecard import EvaluationRun
    from kronos_quant.market import Market, Membership
    from kronos_quant.market.quality.survey import CheckReport
    from kronos_quant.model.symbol_forecast import SymbolForecast
    from kronos_quant.report.pages.comparison import ComparisonRun
    from kronos_quant.report.pages.sweep import SweepRun
    from kronos_quant.signals import ImportReport, Signals
    from kronos_quant.training.run import TrainingResult


class Workspace(WorkspaceSources):
    """A folder with kq.yaml: its bars, models, signals, strategies and runs. `kq.open` and `kq.init` give one.

    >>> import tempfile, kronos_quant as kq
    >>> ws = kq.init(tempfile.mkdtemp())
    >>> ws.ingest_synthetic(symbols=5, sessions=60).bars
    360
    >>> ws.bars("MADE0001", start="2020-01-01").columns[:3]
    ['symbol', 'date', 'time']

    Methods raise ConfigError for wrong arguments and settings, DataError for missing data, CheckpointError for models.
    """

    def market(self, freq: str | None = None) -> Market:
        """The newest published state of the bars. freq : day, 5min, ...; default: that of kq.yaml, else daily."""
        from kronos_quant.market import workspace_market

        return workspace_market(self.folder, freq)

    def bars(
        self,
        symbols: Symbols | None = None,
        start: DateLike | None = None,
        end: DateLike | None = None,
        *,
        freq: str | None = None,
    ) -> pl.DataFrame:
        """The stored bars, sorted by symbol and time; prices are adjusted (raw price = price / factor).

        Parameters
        ----------
        symbols, freq : optional
            One symbol or several, in any spelling (SH600000, 600000.SH), default: all; as for `market`.
        start, end : date or ISO text, optional
            First and last session, both inclusive.
        """
        return self.market(freq).bars(symbols, start, end)

    def universe(self, name: str = "all", date: DateLike | None = None) -> Membership:
        """The constituents of a universe on a date (default: the newest session): `kq universe`."""
        return self.market().membership(name, date)

    def check(self, page: PathLike | None = None, checks: PathLike | None = None) -> CheckReport:
        """Check the stored bars with every rule: `kq check`. page : HTML page to write; checks : folder of rules."""
        from kronos_quant.workflows.check import run_check

        return run_check(self.folder, page, checks)

    def train(self, gpus: int | None = None, *, resume: bool | None = None) -> TrainingResult:
        """Fine-tune the tokenizer, then the predictor, on the workspace's bars: `kq train`.

        gpus : number of GPUs; 0: the CPU; None: all. resume : None resumes an interrupted run of the same settings and
        bars, else starts a new one; True fails instead of starting one; False always starts one.
        """
        from kronos_quant.workflows.train import run_training

        return run_training(self.folder, gpus, resume=None if resume is None else as_flag(resume, "resume"))

    def signals(
        self,
        recipe: PathLike = "default",
        *,
        date: DateLike | None = None,
        start: DateLike | None = None,
        end: DateLike | None = None,
        device: str = "auto",
        gpus: int | None = None,
        allow_code: bool = False,
    ) -> Signals:
        """The signals of a session or a range; what the store lacks is computed: `kq signal`.

        Parameters
        ----------
        recipe : str or path
            A recipe: its name in signals/ or its file.
        date, start, end : date or ISO text, optional
            One session, or a range; default: the newest session.
        device, gpus
            auto, cpu, cuda, cuda:N or mps; number of GPUs over which the dates are spread.
        allow_code : bool
            Whether the Python file that the recipe's own_score names may run.
        """
        from kronos_quant.workflows.signals import run_signals

        allowed = as_flag(allow_code, "allow_code")
        return run_signals(self.folder, recipe, start, end, device, date=date, gpus=gpus, allow_code=allowed)

    def import_signals(
        self,
        table: Table | PathLike,
        name: str,
        *,
        score: str | None = None,
        horizon: int | None = None,
        replace: bool = False,
    ) -> ImportReport:
        """Store external signals, all of them or nothing, so that a strategy with `recipe: NAME` trades them.

        Parameters
        ----------
        table, name
            A table or file of date or asof, symbol and scores, or of a date and a column per symbol; the recipe's name.
        score, horizon : optional
            The column that ranks (default: score, last, mean, or the only one), and the bars ahead that it forecasts.
        replace : bool
            Overwrite sessions that are stored.
        """
        from kronos_quant.signals.importing import import_table

        overwrite = as_flag(replace, "replace")
        return import_table(self.folder, self.market(), table, name, score, horizon, replace=overwrite)

    def forecast(
        self,
        symbol: str,
        *,
        horizon: int | None = None,
        date: DateLike | None = None,
        recipe: str = "default",
        device: str = "auto",
    ) -> SymbolForecast:
        """Forecast the next bars of one symbol: `kq forecast`.

        Parameters
        ----------
        symbol, horizon
            In any spelling; bars to forecast, at most 8 x the model's max_context, default: the recipe's.
        date : date or ISO text, optional
            Session after which to forecast, with the bars that followed it if it is past; default: the newest.
        recipe, device
            As for `signals`.
        """
        from kronos_quant.workflows.forecast import run_forecast

        return run_forecast(self.folder, symbol, horizon=horizon, date=date, recipe=recipe, device=device)

    def evaluate(
        self,
        recipe: str = "default",
        *,
        start: DateLike | None = None,
        end: DateLike | None = None,
        universe: str | None = None,
        against: str | Sequence[str] = (),
        zero_shot: bool | None = None,
    ) -> EvaluationRun:
        """Evaluate stored signals against baselines: `kq evaluate`.

        Parameters
        ----------
        start, end : date or ISO text, optional
            Default: from the end of the model's training to the newest session.
        universe, against
            Universe whose constituents count, default: the recipe's; other recipes to compare with.
        zero_shot : bool, optional
            Also evaluate the base model; default: only if it takes less than 10 minutes.
        """
        from kronos_quant.workflows.evaluate import run_evaluation

        base = None if zero_shot is None else as_flag(zero_shot, "zero_shot")
        return run_evaluation(self.folder, recipe, start, end, universe, as_texts(against, "against"), zero_shot=base)

    def backtest(
        self, strategy: StrategyLike = "topk", *, device: str = "auto", compute: bool = True, allow_code: bool = False
    ) -> BacktestRun:
        """Run a strategy; signals of its period that are missing are computed first: `kq backtest`.

        Parameters
        ----------
        strategy
            Name of a file in strategies/, a file, a Strategy, or its settings.
        device, compute, allow_code
            Where missing signals are computed; compute=False fails instead; whether a strategy's Python file may run.
        """
        from kronos_quant.workflows.backtest import run_backtest

        flags = {"compute": as_flag(compute, "compute"), "allow_code": as_flag(allow_code, "allow_code")}
        return run_backtest(self.folder, strategy, device=device, **flags)

    def sweep(
        self, strategy: StrategyLike, grid: Grid, *, device: str = "auto", compute: bool = True, ray: str | None = None
    ) -> SweepRun:
        """Run every combination of a grid of settings: `kq sweep`.

        Parameters
        ----------
        strategy, device, compute
            As for `backtest`.
        grid : mapping or sequence of str
            {"topk": [20, 50], "n_drop": [1, 5]}, or as on the command line: ["topk=20,50", "n_drop=1,5"].
        ray : str, optional
            Address of a Ray cluster; `local` starts one.
        """
        from kronos_quant.workflows.sweep import run_sweep

        return run_sweep(self.folder, strategy, grid, device=device, compute=as_flag(compute, "compute"), ray=ray)

    def compare(self, *runs: PathLike | BacktestRun) -> ComparisonRun:
        """Compare back-tests: `kq compare`. runs : ids in runs/backtest/, beginnings of ids, folders, or results."""
        from kronos_quant.workflows.compare import run_comparison

        return run_comparison(self.folder, runs)

    def parity(self, strategy: StrategyLike, *, device: str = "auto", compute: bool = True) -> ParityReport:
        """Compare our engine, the plain ledger and pyqlib, rule by rule: `kq parity`.

        Parameters
        ----------
        strategy, device, compute
            As for `backtest`.
        """
        from kronos_quant.workflows.parity import run_parity

        return run_parity(self.folder, strategy, device=device, compute=as_flag(compute, "compute"))

    def runs(self, kind: str | None = None) -> pl.DataFrame:
        """The runs, newest first: kind, id, started and finished (UTC), status, folder. kind : backtest, train, ..."""
        from kronos_quant.runs import list_runs

        return list_runs(self.folder.runs, kind)

    def models(self) -> pl.DataFrame:
        """The models, added and trained: `kq model list`."""
        from kronos_quant.model.library import ModelEntry, ModelLibrary

        return ModelEntry.table(ModelLibrary(self.folder).entries())


def open_workspace(path: PathLike = ".", settings: Mapping[str, Any] | None = None) -> Workspace:
    """The workspace that holds the folder `path`, looked for upwards from it.

    settings : {"train.seed": 1}, which win over kq.yaml and environment. Raises ConfigError where there is no such
    folder, no kq.yaml in it or above, or one that is wrong.

    >>> import tempfile, kronos_quant as kq
    >>> folder = kq.init(tempfile.mkdtemp()).root
    >>> kq.open(folder, {"train.batch_size": 8}).config.train.batch_size
    8
    """
    folder = as_path(path, "path")
    if folder.is_file():
        raise ConfigError(f"{folder}: is a file, expected a folder")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder", hint=f"kq init {folder}")
    return Workspace(open_workspace_folder(folder, as_settings(settings)))


def create_workspace(path: PathLike = ".") -> Workspace:
    """Write kq.yaml, the recipes and the strategies into a folder, keep those that exist, and open it: `kq init`.

    >>> import tempfile, kronos_quant as kq
    >>> (kq.init(tempfile.mkdtemp()).root / "kq.yaml").is_file()
    True
    """
    init_workspace(as_path(path, "path"))
    return open_workspace(path)
