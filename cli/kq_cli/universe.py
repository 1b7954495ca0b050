"""kq universe."""

from typing import Annotated

import typer

from kq_cli.options import AsJson, Day, day
from kq_cli.printing import print_json, print_lines

Name = Annotated[str, typer.Argument(help="all, or a name such as csi300.")]


def universe(name: Name = "all", date: Day = None, as_json: AsJson = False) -> None:
    """Example: kq universe csi300 --date 2016-03-01

    List the members of a universe on a date; members without bars are listed and counted, not hidden.
    """
    from kronos_quant.market import workspace_market
    from kronos_quant.workspace import open_workspace_folder

    market = workspace_market(open_workspace_folder())
    found = market.membership(name, day(date) or market.sessions()[-1])
    print_json(found.as_dict()) if as_json else print_lines(found.lines())
