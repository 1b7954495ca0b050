from __future__ import annotations

import json


def test_check_reports_first_and_then_exits_with_3_when_a_gate_fails(kq, market_workspace):
    root = market_workspace.root
    done = kq(root, "check", "--html", "q.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("day bars: ")
    assert done.out.endswith("report: q.html\n")
    (root / "db" / "checks").mkdir()
    (root / "db" / "checks" / "all_bars.sql").write_text("-- warning: every bar.\nSELECT row FROM incoming\n")
    (root / "kq.yaml").write_text("market: {exchange: XNYS}\ngates: {rules: {all_bars: 9}}\n")
    done = kq(root, "check", "--json")
    assert done.code == 3
    assert json.loads(done.out)["passed"] is False
    assert done.err.startswith("error: 1 of 1 gates fail\n       all_bars: found ")


def test_gates_that_cannot_be_meant_are_refused(kq, market_workspace):
    for gates, told in (
        ("{max_rejected_share: 2}", "gates.max_rejected_share: must be less than or equal to 1, found 2"),
        ("{rules: {price_jump: -1}}", "gates.rules.price_jump: must be greater than or equal to 0, found -1"),
        ("{max_rejected: 0}", "gates.max_rejected: no such field; did you mean max_rejected_share?"),
        ("{rules: {price_jmp: 0}}", "gates.rules.price_jmp: no such check; did you mean price_jump?"),
    ):
        (market_workspace.root / "kq.yaml").write_text(f"gates: {gates}\n")
        done = kq(market_workspace.root, "check")
        assert (done.code, done.out) == (2, "")
        assert told in done.err


def test_a_hostile_check_is_one_line_that_names_its_file(kq, market_workspace):
    checks = market_workspace.root / "db" / "checks"
    checks.mkdir()
    (checks / "reads.sql").write_text("-- warning: reads.\nSELECT 1 AS row FROM read_csv('/etc/passwd')\n")
    done = kq(market_workspace.root, "check", "--html", "q.html")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"error: {checks / 'reads.sql'}: Permission Error: Cannot access file")
    assert len(done.err.splitlines()) == 1
    assert not (market_workspace.root / "q.html").exists()
