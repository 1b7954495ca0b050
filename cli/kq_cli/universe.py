"""kq universe."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, Day
from kq_cli.printing import print_report

Name = Annotated[str, typer.Argument(help="all, or a name such as csi300.")]


def universe(name: Name = "all", date: Day = None, as_json: AsJson = False) -> None:
    """Example: kq universe csi300 --date 2016-03-01

    List the constituents of a universe on a date, with those that have no bars (the survivorship gap).
    """
    from kronos_quant.workflows.bars import list_universe
    from kronos_quant.workspace import open_workspace_folder

    print_report(list_universe(open_workspace_folder(), name, date), as_json)
