from kronos_quant.workflows import doctor
from kronos_quant.workflows.doctor import DoctorFinding, check_installation
from kronos_quant.workspace import init_workspace


def found(folder):
    return {finding.about: finding for finding in check_installation(folder)}


def test_outside_a_workspace_it_says_how_to_make_one(tmp_path):
    findings = found(tmp_path)
    assert findings["workspace"].state == "missing"
    assert findings["workspace"].fix == "kq init my-research && cd my-research"
    assert "bars" not in findings
    assert findings["packages"].state == "ok"
    assert "torch" in findings["packages"].detail


def test_a_new_workspace_lacks_bars_weights_and_a_model(tmp_path):
    init_workspace(tmp_path)
    findings = found(tmp_path)
    assert findings["workspace"].state == "ok"
    assert (findings["bars"].state, findings["bars"].fix) == ("missing", "kq ingest csv FILE")
    assert "NeoQuasar/Kronos-small is not in" in findings["base weights"].detail
    assert "model.base: scratch" in findings["base weights"].fix
    assert (findings["trained model"].state, findings["trained model"].fix) == ("missing", "kq train")


def test_the_qlib_directory_of_the_config_is_offered_when_it_is_there(tmp_path):
    (tmp_path / "qlib").mkdir()
    init_workspace(tmp_path, f"market: {{qlib_dir: {tmp_path / 'qlib'}}}\n")
    assert found(tmp_path)["bars"].fix == "kq ingest qlib"


def test_a_workspace_with_all_lacks_nothing(trained_workspace):
    findings = found(trained_workspace.root)
    # a machine may be short of disk
    assert {about for about, finding in findings.items() if finding.state != "ok"} <= {"disk"}
    assert findings["bars"].detail.startswith(
        "day bars of 13 symbols, 140 sessions from 2024-11-12 to 2025-06-05, snapshot "
    )
    assert findings["calendar"].detail == "XNYS; next session 2025-06-06; sessions known until 2027-12-31"
    assert findings["base weights"].detail == "not needed: training starts from scratch (preset nano)"
    assert findings["trained model"].detail.startswith("1; newest: ")


def test_local_base_weights_are_found_by_the_name_in_models(trained_workspace):
    (trained_workspace.models / "Kronos-small").mkdir(parents=True)
    config = trained_workspace.root / "kq.yaml"
    config.write_text("market: {exchange: XNYS}\n")
    finding = found(trained_workspace.root)["base weights"]
    assert (finding.state, finding.fix) == ("ok", "")
    assert finding.detail.endswith("models/Kronos-small")


def test_bars_of_an_unknown_exchange_are_noted(tmp_path):
    from kronos_quant.market import ingest_csv

    init_workspace(tmp_path, "{}\n")
    rows = "".join(f"2024-01-{day:02d},10,11,9,10,100\n" for day in range(1, 20))
    (tmp_path / "AAA.csv").write_text("timestamps,open,high,low,close,volume\n" + rows)
    ingest_csv(tmp_path, tmp_path / "AAA.csv")
    finding = found(tmp_path)["calendar"]
    assert (finding.state, finding.fix.split(" in ")[0]) == ("note", "set market.exchange")


def test_a_config_with_a_mistake_is_a_finding_and_not_a_crash(tmp_path):
    (tmp_path / "kq.yaml").write_text("trian: {}\n")
    finding = found(tmp_path)["workspace"]
    assert finding.state == "missing"
    assert "trian: no such field; did you mean train?" in finding.detail


def test_a_missing_package_and_a_full_disk_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "package_versions", lambda: {"torch": "2.13", "vectorbt": "missing"})
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**80)
    findings = found(tmp_path)
    assert (findings["packages"].state, findings["packages"].fix) == ("missing", "pip install kronos-quant")
    assert (findings["disk"].state, findings["disk"].fix) == ("note", "free disk space")


def test_the_fix_stands_below_its_finding():
    assert DoctorFinding("device", "ok", "no GPU").rows() == [("ok", "device", "no GPU")]
    assert DoctorFinding("device", "note", "no GPU", "buy one").rows() == [
        ("note", "device", "no GPU"),
        ("", "", "fix: buy one"),
    ]
