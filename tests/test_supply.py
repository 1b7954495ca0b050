"""What is installed: the lock, the licences in the documentation, and the tests that SECURITY.md names."""

import re
import subprocess
import sys

import pytest
from made import ROOT
from packaging.utils import canonicalize_name

from kronos_quant.workflows.licenses import list_licenses
from kronos_quant.workflows.packages import PROJECT, installed_packages, needed_by

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)", re.MULTILINE)
BLOCK = re.compile(rf"{PINNED.pattern}[^\n]*(\n    --hash=sha256:[0-9a-f]{{64}}(?: \\)?)+$", re.MULTILINE)
OF_TORCH = ("nvidia-", "cuda-", "triton")
"""What torch's build for CUDA brings."""


def pinned(text):
    return {canonicalize_name(one["name"]): one["version"] for one in PINNED.finditer(text)}


def constraints():
    return pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def test_the_lock_has_the_versions_of_the_constraints_and_hashes_for_each():
    expected = constraints()
    del expected["torch"]
    assert pinned(LOCK) == expected
    assert {canonicalize_name(one["name"]) for one in BLOCK.finditer(LOCK)} == set(expected)
    assert "://" not in LOCK, "the lock names an index"


def test_every_package_that_the_project_needs_is_locked():
    installed = installed_packages()
    needed = {name for name in needed_by(installed) if not name.startswith(OF_TORCH)} - {PROJECT, "torch"}
    assert len(needed) > 200
    assert needed <= set(pinned(LOCK))


@pytest.mark.slow
def test_the_installed_versions_are_the_locked_ones():
    locked, installed = pinned(LOCK), installed_packages()
    different = {name for name, version in locked.items() if name in installed and installed[name].version != version}
    assert different == set()


@pytest.mark.slow
def test_pip_refuses_a_file_with_another_hash_than_the_locked_one(tmp_path):
    block = next(one for one in BLOCK.finditer(LOCK) if one["name"] == "iniconfig")[0]
    right, wrong = tmp_path / "right.txt", tmp_path / "wrong.txt"
    right.write_text(block)
    wrong.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", block))
    done = {file: pip_would_install(file) for file in (right, wrong)}
    if done[right].returncode and "No matching distribution" in done[right].stderr:
        pytest.skip("no package index can be reached")
    assert done[right].returncode == 0, done[right].stderr
    assert done[wrong].returncode != 0
    assert "DO NOT MATCH THE HASHES" in done[wrong].stderr


def pip_would_install(file):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed"]
    return subprocess.run([*command, "--require-hashes", "-r", str(file)], capture_output=True, text=True, check=False)


def test_the_licences_in_the_documentation_are_those_of_the_tested_versions():
    page = (ROOT / "docs" / "en" / "howto" / "dependencies.md").read_text(encoding="utf-8")
    table = page.partition("<!-- licences -->")[2].partition("<!-- /licences -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()[2:]]
    assert {canonicalize_name(name): version for name, version, _ in rows} == constraints()
    written = {(canonicalize_name(name), version): licence for name, version, licence in rows}
    installed = {(canonicalize_name(one.package), one.version.partition("+")[0]): one for one in list_licenses()}
    both = written.keys() & installed.keys()
    assert len(both) > 200
    assert {key: written[key] for key in both} == {key: installed[key].license for key in both}
    with_condition = {key[0] for key in both if installed[key].condition}
    above = page.partition("## An installation")[0]
    assert all(name in above for name in with_condition)


def test_every_test_that_the_security_policy_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8")))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= there
