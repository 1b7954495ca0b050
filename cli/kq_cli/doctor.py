"""kq doctor."""

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_table

STILL_DAMAGED = 3


def doctor(
    repair: bool = typer.Option(
        False, "--repair", help="Publish damaged bars again, move other damaged files to runs/damaged."
    ),
    as_json: AsJson = False,
) -> None:
    """Example: kq doctor

    Check the installation and the workspace (versions, device, disk, weights, bars, calendar) and show how to fix
    problems. With --repair the exit code is 3 where something is still damaged.
    """
    from kronos_quant.workflows.doctor import check_installation, repair_workspace

    if repair:
        done, left = repair_workspace()
        print_json({"done": done, "left": left}) if as_json else print_lines(done or ["nothing to repair"])
        raise typer.Exit(STILL_DAMAGED if left else 0)
    findings = check_installation()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print_table(["state", "item", "detail"], [row for finding in findings for row in finding.rows()])
