import pytest

from kronos_quant.assets import asset_dir


@pytest.mark.parametrize(
    ("name", "file"), [("db", "migrations/0001_bars.sql"), ("signals", "default.yaml"), ("strategies", "topk.yaml")]
)
def test_the_folders_that_travel_with_the_package_are_found(name, file):
    assert (asset_dir(name) / file).is_file()


def test_a_folder_that_does_not_travel_is_a_bug_told_by_name():
    with pytest.raises(FileNotFoundError, match="installed without its folder nope/"):
        asset_dir("nope")
