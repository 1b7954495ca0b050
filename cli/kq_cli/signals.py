"""kq signal."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kq_cli.options import AsJson, Day, Device, End, Gpus, Recipe, Start, day, days
from kq_cli.printing import print_json, print_lines, print_records, print_report

app = typer.Typer(invoke_without_command=True)

Top = Annotated[int, typer.Option("--top", min=0, help="How many symbols of the last date to print.")]
Ends = Annotated[int, typer.Option("--top", min=0, help="How many of the best, and of the worst, to print.")]
Moment = Annotated[
    datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="A session, or a moment within it."),
]
Most = Annotated[int, typer.Option("--top", min=0, help="How many of the largest differences to print.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the Python file that a recipe's own_score names.")]
Stored = Annotated[str, typer.Argument(help="A recipe: its name, its file, or a digest as it lies in the store.")]
File = Annotated[Path, typer.Argument(help="CSV or Parquet: date or asof, symbol, and columns of scores.")]
Name = Annotated[str, typer.Option("--name", help="What strategies call it: signals/NAME.yaml is written.")]
Score = Annotated[str | None, typer.Option("--score", help="The column that ranks; default: score, last or mean.")]
Horizon = Annotated[int | None, typer.Option("--horizon", min=1, help="Bars ahead that the scores speak of.")]
Replace = Annotated[bool, typer.Option("--replace", help="Sessions that are there already take the new signals.")]
Out = Annotated[Path, typer.Argument(help="A file that is not there yet.")]
Format = Annotated[str, typer.Option("--format", help="parquet, csv, or qlib: (instrument, datetime) -> score.")]
Older = Annotated[
    datetime | None,
    typer.Option("--older-than", formats=["%Y-%m-%d"], help="The sessions before this date instead, of every recipe."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Delete it; without, only say what would be deleted.")]


@app.callback()
def signal(
    context: typer.Context,
    date: Day = None,
    start: Start = None,
    end: End = None,
    recipe: Recipe = "default",
    device: Device = "auto",
    gpus: Gpus = None,
    top: Top = 10,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """Example: kq signal --date 2025-06-05

    Compute the signals of a session, or of a range with --start and --end, into the signal store; what is there
    already is not computed again. With several GPUs each takes some of the dates, and on several machines that share
    the folder each may compute a part of the range: the files are the same, however many. Prints the best symbols of
    the last date. The commands below look after the store.
    """
    if context.invoked_subcommand is not None:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        for name, source in sources.items():
            if source is not None and source.name != "DEFAULT":
                raise typer.BadParameter(f"goes after {context.invoked_subcommand}", param_hint=f"--{name}")
        return
    from kronos_quant.workflows.signals import run_signals
    from kronos_quant.workspace import open_workspace_folder

    summary = run_signals(
        open_workspace_folder(), recipe, start, end, device, date=date, gpus=gpus, allow_code=allow_code
    )
    if as_json:
        print_json(summary.as_dict(top))
    else:
        print_records(summary.best(top))
        print_lines(summary.lines())


@app.command("list", short_help="What is in the store.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq signal list

    List the recipes in the store: sessions, size, and whether they are complete and still of today's bars.
    """
    from kronos_quant.workflows.signal_store import list_signals
    from kronos_quant.workspace import open_workspace_folder

    stored = list_signals(open_workspace_folder())
    if as_json:
        print_json([recipe.as_dict() for recipe in stored])
    else:
        print_records([recipe.row() for recipe in stored])
        print_lines([] if stored else ["no signals: kq signal computes some, kq signal import brings some in"])


@app.command(short_help="The stored signals of a session.")
def show(recipe: Stored = "default", date: Moment = None, top: Ends = 5, as_json: AsJson = False) -> None:
    """Example: kq signal show default --date 2025-06-05

    Print the best and the worst symbols of a session that is in the store (default: the newest there), with the
    Monte-Carlo standard error of their score. Of a session with several moments the last one, or the one whose time
    is given: --date 2025-06-05T11:30. Nothing is computed.
    """
    from kronos_quant.workflows.signal_store import show_signals
    from kronos_quant.workspace import open_workspace_folder

    shown = show_signals(open_workspace_folder(), recipe, date)
    if as_json:
        print_json(shown.as_dict(top))
    else:
        print_records(shown.ends(top))
        print_lines(shown.lines())


@app.command(short_help="Two recipes side by side.")
def diff(
    first: Stored,
    second: Stored,
    start: Start = None,
    end: End = None,
    top: Most = 10,
    as_json: AsJson = False,
) -> None:
    """Example: kq signal diff default mine

    Compare what two recipes have in the store: the rank correlation of every session that both have, and the symbols
    that they rank most differently.
    """
    from kronos_quant.workflows.signal_store import diff_signals
    from kronos_quant.workspace import open_workspace_folder

    comparison = diff_signals(open_workspace_folder(), first, second, *days(start, end), top)
    if as_json:
        print_json(comparison.as_dict())
    else:
        print_records(comparison.by_date.to_dicts())
        print_records(comparison.differences.to_dicts())
        print_lines(comparison.lines())


@app.command(short_help="Delete what no recipe names any more.")
def prune(older_than: Older = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Example: kq signal prune --older-than 2020-01-01

    Say which recipe digests in the store no recipe of this workspace names, and with --yes delete them.
    """
    from kronos_quant.workflows.signal_store import prune_signals
    from kronos_quant.workspace import open_workspace_folder

    print_report(prune_signals(open_workspace_folder(), day(older_than), delete=yes), as_json)


@app.command("import", short_help="Signals made elsewhere.")
def import_(
    file: File,
    name: Name,
    score: Score = None,
    horizon: Horizon = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Example: kq signal import alpha.csv --name mine

    Bring a table of signals in, all of it or nothing, so that a strategy with `signal: mine` trades on it.
    """
    from kronos_quant.workflows.signal_store import import_signals
    from kronos_quant.workspace import open_workspace_folder

    print_report(import_signals(open_workspace_folder(), file, name, score, horizon, replace=replace), as_json)


@app.command(short_help="Stored signals for other programs.")
def export(
    out: Out, recipe: Recipe = "default", form: Format = "parquet", start: Start = None, end: End = None
) -> None:
    """Example: kq signal export scores.parquet --format qlib

    Write stored signals: every column as Parquet or CSV, or the score as the series that Qlib's back-test reads.
    """
    from kronos_quant.workflows.signal_store import export_signals
    from kronos_quant.workspace import open_workspace_folder

    print_lines(export_signals(open_workspace_folder(), out, recipe, form, *days(start, end)))
