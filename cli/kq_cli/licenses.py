"""kq licenses."""

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_table


def licenses(as_json: AsJson = False) -> None:
    """Example: kq licenses

    List the licence of every installed package, as the package states it. Licences with a condition on sale or
    redistribution come first: Commons Clause, unknown, AGPL, LGPL, GPL, MPL.
    """
    from kronos_quant.workflows.licenses import list_licenses

    found = list_licenses()
    if as_json:
        print_json([one.as_dict() for one in found])
        return
    rows = [
        (one.package, one.version, one.license, one.stated_in, one.needed_by or "nothing here", one.condition)
        for one in found
    ]
    print_table(["package", "version", "license", "stated in", "needed by", "condition"], rows)
