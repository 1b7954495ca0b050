"""kq runs."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_records

Kind = Annotated[str | None, typer.Option("--kind", help="Only this kind: train, signal, backtest, evaluate, ...")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Number of newest runs to list.")]


def runs(kind: Kind = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Example: kq runs --kind backtest --limit 5

    List runs, newest first: kind, id, start and end (UTC), status and folder.
    """
    rows = kq.open().runs(kind).head(limit).to_dicts()
    if as_json:
        print_json(rows)
    else:
        print_records(rows)
