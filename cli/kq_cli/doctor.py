"""kq doctor."""

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines


def doctor(as_json: AsJson = False) -> None:
    """Example: kq doctor

    Say what is here and what is missing (versions, device, disk, weights, bars, calendar), and the command that mends
    it.
    """
    from kronos_quant.workflows.doctor import examine

    findings = examine()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        print_lines(line for finding in findings for line in finding.lines())
