""""""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from made import HANG_SECONDS, ROOT
from training.jobs import job_in

from kronos_quant import ConfigError, KronosQuantError
from kronos_quant.training import Placement, fit, place, processes
from kronos_quant.training.processes import RankError, Ranks, RunningMeans, join_ranks, launched_at
from kronos_quant.training.state import load_state

LAUNCH = """
import sys
from pathlib import Path
from kronos_quant import KronosQuantError
from kronos_quant.training import launch
try:
    launch(Path(sys.argv[1]), processes=2)
except KeyboardInterrupt:
    sys.exit(130)
except KronosQuantError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


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
def test_the_gpus_given_are_used(gpus, there, asked, expected):
    gpus(there)
    assert place(asked) == expected


@pytest.mark.parametrize(("there", "hint"), [(0, "kq train --gpus 0"), (2, "kq train --gpus 2")])
def test_more_gpus_than_there_are_says_how_many_and_what_to_run(gpus, there, hint):
    gpus(there)
    with pytest.raises(ConfigError, match=f"--gpus 4: this machine has {there}") as caught:
        place(4)
    assert caught.value.hint == hint


@pytest.mark.parametrize("given", ["2", -1, True, 1.0])
def test_anything_but_a_number_of_gpus_is_refused(given):
    with pytest.raises(ConfigError, match=f"gpus: expected a whole number of at least 0, found {given!r}"):
        place(given)


def test_the_error_of_a_rank_keeps_its_exit_code_and_a_lost_one_names_its_signal():
    assert RankError(1, 3).exit_code == 3
    assert str(RankError(1, 3)) == "rank 1 ended with exit code 3; its message is above; the state is kept"
    assert (str(RankError(0, -9)), RankError(0, -9).exit_code) == ("rank 0 ended with signal 9; the state is kept", 1)
    assert RankError(0, -9).hint == "kq train"


def test_a_port_in_use_is_one_clear_error(monkeypatch):
    def refuse(backend):
        raise RuntimeError("The server socket has failed to listen: port 29500 (EADDRINUSE)\nmore")

    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "here", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.distributed.init_process_group", refuse)
    refused = pytest.raises(KronosQuantError, match=r"the ranks cannot connect at here:29500 over gloo: .*EADDRINUSE")
    with refused, join_ranks("cpu"):
        pytest.fail("joined")


@pytest.mark.parametrize(("variable", "field", "chosen"), [("gloo", None, "gloo"), ("nccl", "gloo", "gloo")])
def test_the_guides_variable_names_the_backend_and_the_field_wins(monkeypatch, variable, field, chosen):
    joined = []
    monkeypatch.setenv("DIST_BACKEND", variable)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.init_process_group", joined.append)
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)
    with join_ranks("cpu", field) as ranks:
        assert (ranks.rank, ranks.world, ranks.first) == (0, 2, True)
    assert joined == [chosen]


def test_more_ranks_than_gpus_is_one_clear_error(gpus, monkeypatch):
    gpus(2)
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="rank 3: this machine has 2 GPUs") as caught, join_ranks("cuda"):
        pytest.fail("joined")
    assert caught.value.hint == "use torchrun --nproc-per-node 2"


def test_alone_everything_that_ranks_exchange_is_ones_own():
    ranks = Ranks(0, 1, torch.device("cpu"))
    assert ranks.any([True, False]) == [True, False]
    assert ranks.every([1.0, 2.0]) == [[1.0, 2.0]]
    assert ranks.mean([6.0, 3.0], 3) == [2.0, 1.0]
    assert torch.equal(ranks.total(torch.ones(2)), torch.ones(2))
    ranks.check_equal({"weight": torch.ones(2)}, "tokenizer")


def test_ranks_that_hold_other_weights_are_named(monkeypatch):
    def gather(found, mine):
        found[:] = [mine, "another"]

    monkeypatch.setattr("torch.distributed.all_gather_object", gather)
    with pytest.raises(KronosQuantError, match="predictor: the weights of rank 1 differ from those of rank 0"):
        Ranks(0, 2, torch.device("cpu")).check_equal({"weight": torch.ones(2)}, "predictor")


def children(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def launched(market_workspace):
    """A launch of two ranks that has saved a state, and the processes of its ranks."""
    job = job_in(market_workspace, predictor_epochs=40, patience=0, state_every_steps=1)
    job_file = job.folder / "job.json"
    job_file.write_text(job.model_dump_json())
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", LAUNCH, str(job_file)], env=environment, stderr=subprocess.PIPE)
    while load_state(job.folder / "state") is None:
        assert process.poll() is None
        time.sleep(0.05)
    yield job, process, children(process)
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
def test_a_launcher_that_is_killed_leaves_no_children(launched):
    _, process, ranks = launched
    assert len(ranks) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + HANG_SECONDS
    while any(map(alive, ranks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [rank for rank in ranks if alive(rank)]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
def test_a_rank_that_is_lost_ends_the_run_and_leaves_a_state_to_go_on_from(launched):
    job, process, ranks = launched
    lost = next(pid for pid in ranks if b"kronos_quant.training" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(lost, signal.SIGKILL)
    told = process.communicate(timeout=HANG_SECONDS)[1].decode()
    assert process.returncode == 1
    assert "ended with signal 9" in told
    state, tensors = load_state(job.folder / "state")
    assert state.position is not None
    assert tensors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_launcher_lets_the_ranks_save_their_state(launched, number):
    job, process, ranks = launched
    process.send_signal(number)
    process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert not [rank for rank in ranks if alive(rank)]
    assert load_state(job.folder / "state")[0].position is not None
    # another number of ranks goes on too
    assert fit(job).predictor.best_epoch >= 1


CPU = torch.device("cpu")


def test_means_are_weighted_by_windows_and_come_back():
    means, alone = RunningMeans(), Ranks(0, 1, CPU)
    means.add({"loss": torch.tensor(1.0)}, 3)
    means.add({"loss": torch.tensor(5.0)}, 1)
    assert means.over(alone) == {"loss": 2.0}
    again = RunningMeans.restored(means.saved(alone), alone)
    again.add({"loss": torch.tensor(2.0)}, 4)
    assert again.over(alone) == {"loss": 2.0}


def test_another_number_of_ranks_loses_no_window_of_the_epoch():
    saved = [{"loss": 6.0, "windows": 3.0}, {"loss": 2.0, "windows": 1.0}]
    first, second, third = (RunningMeans.restored(saved, Ranks(rank, 3, CPU)) for rank in range(3))
    assert (first.sums["loss"].item(), first.windows) == (8.0, 4.0)
    assert (second.windows, third.windows) == (0, 0)
    assert RunningMeans.restored([], Ranks(0, 2, CPU)).sums == {}


def test_a_launch_is_timed_from_when_its_launcher_began(monkeypatch):
    monkeypatch.setenv(processes.LAUNCHED, "12.5")
    assert launched_at() == 12.5
    monkeypatch.delenv(processes.LAUNCHED)
    assert launched_at() == processes._imported_at
