import pytest
import torch
from torch import nn

from kronos_quant import ConfigError
from kronos_quant.config import TrainConfig
from kronos_quant.training.optimise import Optimiser, check_precision, rate_share, resolve_precision, warm_up_share

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def optimiser(model, steps=10, **settings):
    return Optimiser(model, 1e-2, steps, TrainConfig.model_validate(settings), CPU)


def train(model, optim, steps, first=0):
    for step in range(first, first + steps):
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
        with optim.autocast():
            loss = model(x).float().square().mean()
        optim.backward(loss)
        optim.clip()
        optim.step(step)


def values(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("steps", [100, 37])
def test_one_cycle_is_torchs(steps):
    model = network()
    adam = torch.optim.AdamW(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 1.0, total_steps=steps, pct_start=0.3, div_factor=10)
    for step in range(steps):
        assert rate_share(step, steps, "one_cycle", 0.3) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6)
        adam.step()
        if step < steps - 1:
            schedule.step()


def test_cosine_rises_to_the_peak_and_falls_to_nothing():
    shares = [rate_share(step, 110, "cosine", 0.1) for step in range(110)]
    assert shares[0] == pytest.approx(1 / 12)
    assert shares[11] == 1.0 == max(shares)
    assert shares[:11] == sorted(shares[:11])
    assert shares[11:] == sorted(shares[11:], reverse=True)
    # halfway down after (110 - 11) / 2 steps
    assert rate_share(11 + 49, 109, "cosine", 11 / 109) == pytest.approx(0.5)
    assert shares[-1] < 0.001


def test_a_constant_rate_warms_up_and_stays():
    assert [rate_share(step, 10, "constant", 0.2) for step in range(4)] == [
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        1,
        1,
    ]


@pytest.mark.parametrize("kind", ["one_cycle", "cosine", "constant"])
def test_a_schedule_of_one_step_is_a_rate(kind):
    assert 0 < rate_share(0, 1, kind, 0.03) <= 1


@pytest.mark.parametrize("settings", [{}, {"weight_average": 0.9}, {"precision": "bf16"}, {"schedule": "cosine"}])
def test_what_was_saved_goes_on_to_the_same_bytes(settings):
    whole = network()
    train(whole, optimiser(whole, **settings), 10)
    first = network()
    begun = optimiser(first, **settings)
    train(first, begun, 4)
    saved = {name: value.clone() for name, value in begun.tensors().items()}
    again = network()
    resumed = optimiser(again, **settings)
    resumed.load(saved, begun.scaler.state_dict())
    train(again, resumed, 6, first=4)
    assert all(torch.equal(value, values(whole)[name]) for name, value in values(again).items())


def test_accumulated_passes_make_the_step_of_the_whole_batch():
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    models = [network(), network()]
    for model, parts in zip(models, ([x], [x[:6], x[6:]]), strict=True):
        optim = optimiser(model)
        for part in parts:
            optim.backward(model(part).square().mean() * len(part) / len(x))
        optim.clip()
        optim.step(0)
    one, two = map(values, models)
    assert all(torch.allclose(one[name], two[name], atol=1e-7) for name in one)


def test_gradients_are_scaled_down_to_the_norm_and_the_former_norm_is_told():
    model = network()
    optim = optimiser(model, max_grad_norm=0.01)
    optim.backward(model(torch.ones(1, 4)).square().sum() * 100)
    assert optim.clip() > 0.01
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_the_average_follows_the_weights_and_is_put_back_after_use():
    model = network()
    optim = optimiser(model, weight_average=0.9)
    start = values(model)
    train(model, optim, 1)
    raw = values(model)
    name = "0.weight"
    # decay of the first step: (1 + 0) / (10 + 0)
    expected = 0.1 * start[name] + 0.9 * raw[name]
    with optim.averaged():
        assert torch.allclose(model.state_dict()[name], expected, atol=1e-7)
    assert torch.equal(model.state_dict()[name], raw[name])


def test_without_an_average_nothing_is_swapped():
    model = network()
    optim = optimiser(model)
    before = values(model)
    with optim.averaged():
        assert all(torch.equal(value, before[name]) for name, value in values(model).items())
    assert not any(name.startswith("average.") for name in optim.tensors())


def test_passes_in_bf16_keep_float32_weights_and_come_near_float32():
    models = [network(), network()]
    for model, precision in zip(models, ("float32", "bf16"), strict=True):
        train(model, optimiser(model, precision=precision), 10)
    exact, rough = map(values, models)
    assert all(value.dtype == torch.float32 for value in rough.values())
    assert any(not torch.equal(exact[name], rough[name]) for name in exact)
    assert all(torch.allclose(exact[name], rough[name], atol=0.03) for name in exact)


def test_the_loss_scale_of_fp16_is_saved_and_restored(monkeypatch):
    model = network()
    optim = optimiser(model, precision="fp16")
    assert optim.scaler.is_enabled()
    train(model, optim, 2)
    again = optimiser(network(), precision="fp16")
    state = optim.scaler.state_dict() | {"scale": 1234.0}
    again.load(optim.tensors(), state)
    assert again.scaler.get_scale() == 1234.0


def test_fp16_is_refused_where_there_is_no_cuda():
    with pytest.raises(ConfigError, match=r"train\.precision: fp16 needs CUDA; this runs on cpu") as caught:
        check_precision(TrainConfig(precision="fp16"), "cpu")
    assert caught.value.hint == "use bf16 or float32"
    check_precision(TrainConfig(precision="bf16"), "cpu")


def test_frozen_parameters_are_neither_trained_nor_saved():
    model = network()
    model[0].weight.requires_grad_(False)
    assert "weight.0.weight" not in optimiser(model).tensors()


@pytest.mark.parametrize(("wanted", "steps", "rises"), [(3, 7, 3), (300, 12_000, 300), (50, 20, 20), (0, 20, 0)])
def test_warm_up_steps_are_converted_to_the_share_in_which_the_rate_rises_so_many_steps(wanted, steps, rises):
    share = warm_up_share(TrainConfig(warm_up_steps=wanted), steps)
    assert 0 <= share <= 1
    rates = [rate_share(step, steps, "constant", share) for step in range(steps)]
    assert sum(rate < 1 for rate in rates) == rises
    assert warm_up_share(TrainConfig(), steps) == 0.03


@pytest.mark.parametrize(
    ("device", "has_bf16", "found"), [("cpu", True, "float32"), ("cuda", True, "bf16"), ("cuda", False, "fp16")]
)
def test_precision_auto_is_what_the_device_can(monkeypatch, device, has_bf16, found):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)
    assert resolve_precision(TrainConfig(precision="auto"), device).precision == found
    assert resolve_precision(TrainConfig(precision="fp16"), "cpu").precision == "fp16"
