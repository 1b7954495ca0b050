import pytest
import torch

from kronos_quant import ConfigError
from kronos_quant.training import Placement, place


@pytest.fixture
def gpus(monkeypatch):
    def set_count(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return set_count


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (0, None, Placement("cpu", 1)),
        (0, 0, Placement("cpu", 1)),
        (4, None, Placement("cuda", 4)),
        (4, 2, Placement("cuda", 2)),
        (4, 0, Placement("cpu", 1)),
    ],
)
def test_what_is_asked_for_is_what_is_used(gpus, there, asked, expected):
    gpus(there)
    assert place(asked) == expected


@pytest.mark.parametrize(("there", "hint"), [(0, "run kq train --gpus 0 (the CPU)"), (2, "run kq train --gpus 2")])
def test_more_gpus_than_there_are_says_how_many_and_what_to_run(gpus, there, hint):
    gpus(there)
    with pytest.raises(ConfigError, match=f"--gpus 4: this machine has {there}") as caught:
        place(4)
    assert caught.value.hint == hint
