import pytest
import torch

from kronos_quant.model import cuda_graphs as room
from kronos_quant.model.cuda_graphs import CudaGraph, CudaGraphs

INPUTS = [torch.tensor([float(i), 2.0]) for i in range(4)]


def doubled(x):
    return x * 2, x.sum()


class Recorder:
    """Captures as CUDA does: what a replay writes stands in the same tensors as before."""

    def __init__(self, monkeypatch):
        self.captured, self.replayed, self.wrong_by = 0, 0, 0.0
        monkeypatch.setattr(room, "capture", self.capture)

    def capture(self, function, inputs):
        self.captured += 1
        own = tuple(part.clone() for part in inputs)
        outputs = function(*own)

        def replay():
            self.replayed += 1
            for output, new in zip(outputs, function(*own), strict=True):
                output.copy_(new + self.wrong_by)

        return CudaGraph(own, outputs, replay)


@pytest.fixture
def recorder(monkeypatch):
    return Recorder(monkeypatch)


@pytest.fixture
def replays():
    return CudaGraphs(torch.device("cuda"))


def test_a_shape_that_comes_again_is_captured_once_and_then_replayed(recorder, replays):
    found = [replays.run("a", doubled, x) for x in INPUTS]
    assert (recorder.captured, recorder.replayed) == (1, 3)  # once to compare, then for the last two
    for x, outputs in zip(INPUTS, found, strict=True):
        assert torch.equal(outputs[0], x * 2)
        assert torch.equal(outputs[1], x.sum())


def test_a_later_replay_leaves_earlier_results_alone(recorder, replays):
    found = [replays.run("a", doubled, x) for x in INPUTS]
    kept = [outputs[0].clone() for outputs in found]
    replays.run("a", doubled, torch.tensor([9.0, 9.0]))
    assert all(torch.equal(outputs[0], was) for outputs, was in zip(found, kept, strict=True))


def test_other_keys_and_other_shapes_have_graphs_of_their_own(recorder, replays):
    for _ in range(2):
        replays.run("a", doubled, INPUTS[0])
        replays.run("b", doubled, INPUTS[0])
        replays.run("a", doubled, torch.zeros(3))
    assert recorder.captured == len(replays.graphs) == 3


def test_a_replay_with_other_numbers_is_given_up(recorder, replays, caplog):
    recorder.wrong_by = 1e-6
    found = [replays.run("a", doubled, x) for x in INPUTS]
    assert torch.equal(found[3][0], INPUTS[3] * 2)
    assert (recorder.captured, replays.graphs, replays.enabled) == (1, {}, False)
    assert [record.getMessage() for record in caplog.records] == [
        "continuing without CUDA graphs: a replay differed from the run"
    ]


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_a_run_that_cannot_be_captured_goes_on_without(replays, monkeypatch, caplog, error):
    def refuse(*_):
        raise error("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(room, "capture", refuse)
    found = [replays.run("a", doubled, x) for x in INPUTS]
    assert torch.equal(found[3][0], INPUTS[3] * 2)
    assert [record.getMessage() for record in caplog.records] == [
        "continuing without CUDA graphs: operation not permitted when stream is capturing"
    ]


def test_graphs_are_dropped_for_good(recorder, replays):
    for x in INPUTS:
        replays.run("a", doubled, x)
    replays.drop()
    replays.run("a", doubled, INPUTS[0])
    assert (recorder.captured, replays.graphs) == (1, {})


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_other_devices_capture_nothing(recorder, device):
    replays = CudaGraphs(torch.device(device))
    for x in INPUTS:
        replays.run("a", doubled, x)
    assert recorder.captured == 0
