"""kq doctor."""

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_table


def doctor(as_json: AsJson = False) -> None:
    """Example: kq doctor

    Check the installation and the workspace (versions, device, disk, weights, bars, calendar) and show how to fix
    problems.
    """
    from kronos_quant.workflows.doctor import check_installation

    findings = check_installation()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print_table(["state", "item", "detail"], [row for finding in findings for row in finding.rows()])
