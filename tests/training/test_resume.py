"""A training that is killed, at whatever moment, and run again leaves what an undisturbed one leaves, bit for bit."""

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from made import left_by_a_killed_process
from training.jobs import FIT, exit_code, forked, job_in, left

from kronos_quant import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.config import TrainConfig
from kronos_quant.training import BEST, TrainingJob, fit
from kronos_quant.training.logs import TrainingLog
from kronos_quant.training.optimise import Optimiser
from kronos_quant.training.phases import train_predictor
from kronos_quant.training.processes import StopRequest
from kronos_quant.training.state import RunFiles, load_state
from kronos_quant.training.validation import ForecastValidation
from kronos_quant.workspace import open_workspace_folder

PHASES = sys.modules[train_predictor.__module__]
RECORD = sys.modules[RunFiles.__module__]

# everything that leaves something behind from one step to the next
SETTINGS = {
    "tokenizer_epochs": 2,
    "predictor_epochs": 2,
    "samples_per_epoch": 48,
    "batch_size": 8,
    "accumulation_steps": 2,
    "state_every_steps": 2,
    "log_every_steps": 2,
    "checkpoint_every": 1,
    "weight_average": 0.9,
    "dropout": 0.1,
    "workers": 1,
    "decoded_windows": 24,
    "decoded_samples": 4,
    "choose_by": "mae",
}


@dataclass(frozen=True)
class Reference:
    """A training that nothing disturbed, what it left, and how many moments it had."""

    job: TrainingJob
    left: dict[str, bytes]
    moments: int

    def copy(self, name: str) -> TrainingJob:
        """The same job in a folder of its own."""
        folder = self.job.folder.with_name(name)
        folder.mkdir()
        return self.job.model_copy(update={"folder": folder})

    def stopped(self, name: str) -> TrainingJob:
        """The same job, killed in its first phase after a state was saved; killed once, then copied."""
        killed = self.job.folder.with_name("killed-once")
        if not killed.exists():
            job = self.copy(killed.name)
            assert in_a_process(lambda: with_moments(job, kill_at(16))) == -signal.SIGKILL
            assert load_state(killed / "state") is not None
        shutil.copytree(killed, self.job.folder.with_name(name))
        return self.job.model_copy(update={"folder": self.job.folder.with_name(name)})


@pytest.fixture(scope="module")
def reference(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """Bars and windows are read once, here: a forked process must not start the readers' threads."""
    folder = tmp_path_factory.mktemp("resume") / "workspace"
    shutil.copytree(market_folder, folder)
    job = job_in(open_workspace_folder(folder), "plain", **SETTINGS)
    market = FIT.open_market(job.root, None)
    data = FIT.load_data(market, job.train, "all")
    assert data.train_scale is not None
    moments: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FIT, "open_market", lambda root, freq: market)
        patch.setattr(FIT, "load_data", lambda market, config, universe: data)
        with pytest.MonkeyPatch.context() as counting:
            with_moments(job, moments.append, counting.setattr)
        yield Reference(job, left(job.folder), len(moments))


def in_a_process(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; returns its exit code, or minus the signal that ended it."""
    return exit_code(forked(work))


def with_moments(job: TrainingJob, at: Callable[[int], None], put: Callable[..., None] = setattr) -> None:
    """Fit, and call `at` with the number of each moment at which a kill could leave something half done."""
    moments = iter(range(10**9))

    def around(owner: object, name: str) -> None:
        inner = getattr(owner, name)

        def outer(*arguments: object, **settings: object) -> object:
            at(next(moments))
            result = inner(*arguments, **settings)
            at(next(moments))
            return result

        put(owner, name, outer)

    for owner, name in (
        (ForecastValidation, "score"),
        (Optimiser, "step"),
        (TrainingLog, "append"),
        (RunFiles, "save_checkpoints"),
        (RunFiles, "finish_phase"),
        (RECORD, "save_state"),
        (FIT, "write_pair"),
        (PHASES, "_restore"),
    ):
        around(owner, name)
    fit(job)


def kill_at(moment: int) -> Callable[[int], None]:
    def at(number: int) -> None:
        if number == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def killed_and_resumed(job: TrainingJob, moments: list[int]) -> None:
    """Kill the training at each of `moments` of what is left of it, then let it end."""
    for moment in moments:
        code = in_a_process(lambda moment=moment: with_moments(job, kill_at(moment)))
        assert code in (-signal.SIGKILL, 0)
    fit(job)


def test_killed_at_any_moment_and_run_again_leaves_the_same_bytes(reference):
    assert {"log.jsonl", "checkpoints/best/predictor/model.safetensors"} <= reference.left.keys()
    for moment in random.Random(0).sample(range(reference.moments), 3):
        job = reference.copy(f"killed-{moment}")
        killed_and_resumed(job, [moment])
        assert left(job.folder) == reference.left, f"killed at moment {moment} of {reference.moments}"
        cards = [json.loads((each.folder / BEST / "card.json").read_text()) for each in (job, reference.job)]
        assert cards[0] | {"created": None} == cards[1] | {"created": None}


def test_killed_again_and_again_it_still_ends_the_same_and_no_row_is_lost_or_doubled(reference):
    job = reference.copy("often")
    killed_and_resumed(job, [13, 12, 15, 20])
    assert left(job.folder) == reference.left
    rows = [json.loads(line) for line in (job.folder / "log.jsonl").read_text().splitlines()]
    places = [(row["phase"], row["split"], row["step"]) for row in rows]
    assert len(places) == len(set(places))
    for phase in ("tokenizer", "predictor"):
        assert [step for p, split, step in places if (p, split) == (phase, "val")] == [0, 3, 6]
        assert [step for p, split, step in places if (p, split) == (phase, "step")] == [2, 4, 6]


@pytest.mark.slow
def test_killed_at_every_moment(reference):
    for moment in range(reference.moments):
        job = reference.copy(f"every-{moment}")
        killed_and_resumed(job, [moment])
        assert left(job.folder) == reference.left, f"killed at moment {moment} of {reference.moments}"


def test_a_signal_saves_the_state_and_the_rest_follows_later(reference):
    job = reference.copy("stopped")
    for number in (signal.SIGINT, signal.SIGTERM):
        code = in_a_process(
            lambda number=number: with_moments(job, lambda now: os.kill(os.getpid(), number) if now == 13 else None)
        )
        assert code == 130
        state, tensors = load_state(job.folder / "state")
        assert state.position is not None
        assert tensors
    fit(job)
    assert left(job.folder) == reference.left


def test_a_stop_inside_a_validation_keeps_the_epoch(reference, monkeypatch):
    job = reference.copy("validation")
    looked = []

    def asked(stop: StopRequest) -> bool:
        looked.append(sys._getframe(1).f_code.co_name)
        return looked.count("_validate") == 8

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "requested", property(asked, lambda stop, value: None))
        with pytest.raises(KeyboardInterrupt):
            fit(job)
    assert looked[-1] == "_validate"
    state, _ = load_state(job.folder / "state")
    assert (state.position.epoch, state.position.step) == (1, 3)
    fit(job)
    assert left(job.folder) == reference.left


def test_a_finished_job_that_is_fitted_again_trains_nothing(reference, monkeypatch):
    monkeypatch.setattr(Optimiser, "step", lambda *arguments: pytest.fail("a step"))
    again = fit(reference.job)
    assert left(reference.job.folder) == reference.left
    assert again.predictor.best_epoch in (1, 2)


def test_another_configuration_does_not_go_on_from_a_state(reference):
    job = reference.stopped("config")
    changed = job.model_copy(update={"train": TrainConfig.model_validate(job.train.model_dump() | {"seed": 5})})
    with pytest.raises(ConfigError, match="its state belongs to another configuration or to other bars"):
        fit(changed)


def test_other_bars_do_not_go_on_from_a_state(reference):
    job = reference.stopped("bars").model_copy(update={"snapshot": "0" * 64})
    with pytest.raises(DataError, match="started on bars 000000000000, the workspace now has"):
        fit(job)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_a_damaged_state_is_one_clear_error(reference, name):
    job = reference.stopped(f"damaged-{name}")
    [newest] = (job.folder / "state").iterdir()
    (newest / name).write_bytes(b"{")
    with pytest.raises(CheckpointError, match=rf"{newest / name}: not readable as") as caught:
        fit(job)
    assert caught.value.hint == "kq train --fresh"


def test_a_full_disk_leaves_the_last_state_and_checkpoint_and_what_a_kill_left_half_written_is_cleared_away(
    reference, monkeypatch
):
    job = reference.stopped("full")
    kept = {path: path.read_bytes() for path in sorted(job.folder.rglob("*")) if path.is_file()}

    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("kronos_quant.training.state.save_file", full)
        with pytest.raises(KronosQuantError, match="no space left on the disk"):
            fit(job)
    for path, content in kept.items():
        if path.name not in ("log.jsonl", "speed.json"):
            assert path.read_bytes() == content
    assert not list(job.folder.rglob(".partial-*"))
    (job.folder / "checkpoints" / left_by_a_killed_process("best")).mkdir(parents=True, exist_ok=True)
    (job.folder / "state" / left_by_a_killed_process("00000009")).mkdir()
    fit(job)
    assert not list(job.folder.rglob(".partial-*"))
    assert left(job.folder) == reference.left
