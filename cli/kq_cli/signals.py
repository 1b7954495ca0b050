"""kq signal."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Day, Device, End, Gpus, Recipe, Start
from kq_cli.printing import print_json, print_lines, print_records, print_report
from kronos_quant.bounds import MOST_BARS, MOST_SYMBOLS

app = typer.Typer(invoke_without_command=True)

Top = Annotated[
    int, typer.Option("--top", min=0, max=MOST_SYMBOLS, help="Number of symbols of the last date to print.")
]
Ends = Annotated[
    int, typer.Option("--top", min=0, max=MOST_SYMBOLS, help="Number of the best and of the worst symbols to print.")
]
Moment = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
        metavar="YYYY-MM-DD[THH:MM]",
        help="Session, or a time within it.",
    ),
]
Most = Annotated[
    int, typer.Option("--top", min=0, max=MOST_SYMBOLS, help="Number of the largest differences to print.")
]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the Python file named by the recipe's own_score.")]
Stored = Annotated[str, typer.Argument(help="A recipe: its name, its file, or a digest in the store.")]
File = Annotated[Path, typer.Argument(help="CSV or Parquet with columns date, symbol and scores.")]
Name = Annotated[str, typer.Option("--name", help="Name of the recipe to write: signals/NAME.yaml.")]
Score = Annotated[str | None, typer.Option("--score", help="Column that ranks; default: score, last or mean.")]
Horizon = Annotated[
    int | None, typer.Option("--horizon", min=1, max=MOST_BARS, help="Forecast horizon of the scores, in bars.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite sessions that are already stored.")]
Out = Annotated[Path, typer.Argument(help="File to write; it must not exist.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="parquet, csv, or qlib: (instrument, datetime) -> score; default: by OUT."),
]
Older = Annotated[
    datetime | None,
    typer.Option(
        "--older-than", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Delete the sessions before this date instead."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Delete; without it, only report what would be deleted.")]


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

    Compute the signals of a session, or of a range with --start and --end, and store them. Sessions that are already
    stored are not computed again. Several GPUs share the dates; several machines with a shared folder may each compute
    a part of the range. The stored files do not depend on how many. Prints the best symbols of the last date. The
    commands below manage the store.
    """
    if context.invoked_subcommand is not None:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        for name, source in sources.items():
            if source is not None and source.name != "DEFAULT":
                raise typer.BadParameter(f"goes after {context.invoked_subcommand}", param_hint=f"--{name}")
        return

    summary = kq.open().signals(
        recipe, date=date, start=start, end=end, device=device, gpus=gpus, allow_code=allow_code
    )
    if as_json:
        print_json(summary.as_dict(top))
    else:
        print_records(summary.best(top))
        print_lines(summary.lines())


@app.command("list", short_help="List stored signals.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq signal list

    List stored signals by recipe: sessions, size, and whether they are complete and match today's bars.
    """
    from kronos_quant.workflows.signal_store import list_signals

    stored = list_signals(kq.open().folder)
    if as_json:
        print_json([recipe.as_dict() for recipe in stored])
    else:
        print_records([recipe.row() for recipe in stored])
        print_lines([] if stored else ["no stored signals: run kq signal, or kq signal import FILE --name NAME"])


@app.command(short_help="Show the stored signals of a session.")
def show(recipe: Stored = "default", date: Moment = None, top: Ends = 5, as_json: AsJson = False) -> None:
    """Example: kq signal show default --date 2025-06-05

    Show the best and the worst symbols of a stored session (default: the newest), with the Monte-Carlo standard error
    of their score. If a session has several decision times, the last one is shown, or the one given with
    --date 2025-06-05T11:30. Nothing is computed.
    """
    from kronos_quant.workflows.signal_store import show_signals

    shown = show_signals(kq.open().folder, recipe, date)
    if as_json:
        print_json(shown.as_dict(top))
    else:
        print_records(shown.ends(top))
        print_lines(shown.lines(top))


@app.command(short_help="Compare the stored signals of two recipes.")
def diff(
    first: Stored, second: Stored, start: Start = None, end: End = None, top: Most = 10, as_json: AsJson = False
) -> None:
    """Example: kq signal diff default mine

    Compare the stored signals of two recipes: their rank correlation per session, and the symbols with the largest
    rank differences.
    """
    from kronos_quant.workflows.signal_store import diff_signals

    comparison = diff_signals(kq.open().folder, first, second, start, end, top)
    if as_json:
        print_json(comparison.as_dict())
    else:
        print_records(comparison.by_date.to_dicts())
        print_records(comparison.differences.to_dicts())
        print_lines(comparison.lines())


@app.command(short_help="Delete stored signals no recipe refers to.")
def prune(older_than: Older = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Example: kq signal prune --older-than 2020-01-01

    List stored signals that no recipe of this workspace refers to; with --yes, delete them.
    """
    from kronos_quant.workflows.signal_store import prune_signals

    print_report(prune_signals(kq.open().folder, older_than, delete=yes), as_json)


@app.command("import", short_help="Import external signals.")
def import_(
    file: File,
    name: Name,
    score: Score = None,
    horizon: Horizon = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Example: kq signal import alpha.csv --name mine

    Import a table of external signals, all of it or nothing. A strategy with `recipe: mine` then trades on it.
    """
    print_report(kq.open().import_signals(file, name, score=score, horizon=horizon, replace=replace), as_json)


@app.command(short_help="Export stored signals to a file.")
def export(out: Out, recipe: Recipe = "default", form: Format = None, start: Start = None, end: End = None) -> None:
    """Example: kq signal export scores.parquet --format qlib

    Export stored signals: every column as Parquet or CSV, or the score in the format of Qlib's back-test.
    """
    from kronos_quant.workflows.signal_store import export_signals

    print_lines(export_signals(kq.open().folder, out, recipe, form, start, end))
