"""kq universe."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson, Day
from kq_cli.printing import print_report

Name = Annotated[str, typer.Argument(help="all, or a name such as csi300.")]


def universe(name: Name = "all", date: Day = None, as_json: AsJson = False) -> None:
    """Example: kq universe csi300 --date 2016-03-01

    List the constituents of a universe on a date, with those that have no bars (the survivorship gap).
    """
    print_report(kq.open().universe(name, date), as_json)
