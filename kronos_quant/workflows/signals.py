"""`kq signal`: compute the missing signals of a date or a range, and read them back."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import DateLike, PathLike, as_date
from kronos_quant.market import Market, workspace_market
from kronos_quant.market.caveats import bar_caveats
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import Signals, open_source, score_devices
from kronos_quant.signals.source import SignalSource
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)


def run_signals(
    workspace: WorkspaceFolder,
    recipe: PathLike = "default",
    start: DateLike | None = None,
    end: DateLike | None = None,
    device: str = "auto",
    *,
    date: DateLike | None = None,
    gpus: int | None = None,
    allow_code: bool = False,
) -> Signals:
    """Compute the signals of a session or a range into the store, and record the run, see `Workspace.signals`.

    Sessions that are stored are not computed again; devices that are not there are refused before anything is read.
    """
    on, first, last = as_date(date, "date"), as_date(start, "start"), as_date(end, "end")
    if on is not None and (first is not None or last is not None):
        raise ConfigError("--date: not together with --start or --end", hint="give one date or a range")
    if last is not None and first is None:
        raise ConfigError("--end: needs --start")
    score_devices(device, gpus)
    market = workspace_market(workspace)
    newest = market.sessions()[-1]
    dates = market.session_range(on or first or newest, on or last or newest)
    source = open_source(workspace, recipe, market)
    inputs = Inputs(market.snapshot.digest, source.recipe.weights, {"sampling": source.recipe.recipe.seed})
    with staged_run(workspace.runs, "signal", inputs) as run:
        signals = source.ensure(dates, device, gpus=gpus, allow_code=allow_code)
        for line in _caveats(market, source, dates):
            logger.warning("%s", line)
        run.write_config({"recipe": source.recipe.recipe})
        metrics = {"computed": signals.computed, "present": signals.present, "recipe": source.recipe.content()}
        metrics |= {"recipe_digest": source.recipe.digest, "sessions": len(signals.dates)}
        run.write_metrics(metrics | {"estimated": len(signals.estimated)})
    return signals


def _caveats(market: Market, source: SignalSource, dates: Sequence[datetime.date]) -> list[str]:
    """What the ingest warned of in the bars that the scores of some dates rest on."""
    sessions = market.sessions()
    first = sessions[max(0, sessions.index(dates[0]) - source.lookback)]
    symbols = market.traded_members(market.universe(source.recipe.universe))
    return bar_caveats(market, symbols, first, dates[-1])
