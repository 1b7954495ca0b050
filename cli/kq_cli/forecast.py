"""kq forecast."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Day, Device, Recipe
from kq_cli.printing import print_json, print_lines, print_records
from kronos_quant.bounds import MOST_BARS

Symbol = Annotated[str, typer.Argument(help="SH600000, 600000.SH, sh600000 or, where it is unique, 600000.")]
Horizon = Annotated[
    int | None, typer.Option("--horizon", min=1, max=MOST_BARS, help="Bars to forecast; default: the recipe's.")
]


def forecast(
    symbol: Symbol,
    date: Day = None,
    horizon: Horizon = None,
    recipe: Recipe = "default",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Example: kq forecast SH600977 --horizon 48

    Forecast the next bars of one symbol: quantiles of the close, probability of a rise, and a chart (PNG, and a page
    that needs no network) with the interval of a random walk for comparison. With --date, forecast after a past
    session; the chart then shows the bars that followed.
    """
    result = kq.open().forecast(symbol, horizon=horizon, date=date, recipe=recipe, device=device)
    if as_json:
        print_json(result.as_dict())
    else:
        print_records(result.rows())
        print_lines(result.lines())
