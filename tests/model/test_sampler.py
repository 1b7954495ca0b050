import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import kronos_quant.model as room
from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer
from kronos_quant.model.sampler import PathSampler, chunk_series, resolve_device
from kronos_quant.model.sampling import Sampling

B, L, H, S = 17, 12, 5, 4


@pytest.fixture(autouse=True)
def one_thread():
    """A product cut over several threads adds in another order by place: the promise of equal bytes is for one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def sampler(make_tokenizer, make_predictor):
    return PathSampler(make_tokenizer(), make_predictor(), max_context=32, device="cpu")


@pytest.fixture
def windows(make_stamps):
    """x, x_stamp, y_stamp and seeds of B windows."""
    generator = np.random.default_rng(4)
    x = generator.normal(size=(B, L, 6)).astype(np.float32)
    stamps = make_stamps(B, L + H).numpy().astype(np.int16)
    return x, stamps[:, :L], stamps[:, L:], generator.integers(-(2**62), 2**62, B)


def run(sampler, windows, rows=slice(None), **settings):
    x, x_stamp, y_stamp, seeds = (part[rows] for part in windows)
    return sampler.sample(x, x_stamp, y_stamp, S, Sampling(**settings), seeds)


def same(first, second):
    return first.paths.tobytes() == second.paths.tobytes() and first.last.tobytes() == second.last.tobytes()


def part(paths, rows):
    return room.SamplePaths(paths.paths[rows], paths.last[rows])


def test_paths_have_their_shapes_and_are_float32(sampler, windows):
    found = run(sampler, windows)
    assert found.paths.shape == (B, S, H, 6)
    assert found.last.shape == (B, 6)
    assert found.paths.dtype == found.last.dtype == np.float32
    assert np.isfinite(found.paths).all()


@pytest.mark.parametrize("limit", [32, 14])  # without and with a sliding window
@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_series_has_the_same_bytes_in_any_batch(make_tokenizer, make_predictor, windows, limit, count):
    sampler = PathSampler(make_tokenizer(), make_predictor(), max_context=limit, device="cpu")
    whole = run(sampler, windows)
    for start in (0, 5, B - count):
        rows = slice(start, start + count)
        assert same(run(sampler, windows, rows), part(whole, rows))


def test_a_series_has_the_same_bytes_in_any_order(sampler, windows):
    order = np.random.default_rng(1).permutation(B)
    assert same(run(sampler, windows, order), part(run(sampler, windows), order))


def test_a_series_has_the_same_bytes_in_any_chunk(sampler, windows, monkeypatch):
    monkeypatch.setattr("kronos_quant.model.sampler.CHUNK_SERIES", 8)
    repeated = tuple(np.concatenate((part, part)) for part in windows)  # 34 rows: 5 chunks, each row in two places
    found = run(sampler, repeated)
    assert same(part(found, slice(0, B)), part(found, slice(B, 2 * B)))


def test_the_preset_nano_has_the_same_bytes_in_any_batch(make_stamps):
    torch.manual_seed(0)
    preset = PRESETS["nano"]
    sampler = PathSampler(KronosTokenizer(preset.tokenizer), Kronos(preset.predictor), device="cpu")
    assert sampler.max_context == 512
    x = np.random.default_rng(0).normal(size=(17, 90, 6)).astype(np.float32)
    stamps = make_stamps(17, 100).numpy()
    whole = sampler.sample(x, stamps[:, :90], stamps[:, 90:], 20).paths
    for count in (1, 3, 8):
        found = sampler.sample(x[:count], stamps[:count, :90], stamps[:count, 90:], 20).paths
        assert found.tobytes() == whole[:count].tobytes()


def test_the_last_bar_is_the_decoded_lookback(sampler, windows, make_tokenizer):
    tokenizer = make_tokenizer()
    with torch.no_grad():
        decoded = tokenizer.decode(*tokenizer.encode(torch.from_numpy(windows[0])))[:, -1]
    assert np.abs(run(sampler, windows).last - decoded.numpy()).max() < 1e-5


def test_seeds_choose_the_paths_and_rows_number_themselves_without(sampler, windows):
    x, x_stamp, y_stamp, seeds = windows
    numbered = sampler.sample(x, x_stamp, y_stamp, S).paths
    assert numbered.tobytes() == sampler.sample(x, x_stamp, y_stamp, S, seeds=np.arange(B)).paths.tobytes()
    assert numbered.tobytes() != sampler.sample(x, x_stamp, y_stamp, S, seeds=seeds).paths.tobytes()


def test_greedy_paths_of_a_series_are_all_equal(sampler, windows):
    for settings in ({"temperature": 0.0}, {"top_k": 1}):
        paths = run(sampler, windows, **settings).paths
        assert np.abs(paths - paths[:, :1]).max() < 1e-6  # the same tokens, decoded in other rows of one product


def test_the_global_generator_plays_no_part(sampler, windows):
    torch.manual_seed(0)
    first = run(sampler, windows)
    torch.manual_seed(1)
    assert same(run(sampler, windows), first)


def test_values_are_clipped_before_they_are_encoded(sampler, windows):
    x, *others = windows
    far = x.copy()
    far[:, 3] = 1e6
    cut = x.copy()
    cut[:, 3] = 5.0
    assert same(run(sampler, (far, *others)), run(sampler, (cut, *others)))


def test_dropout_is_off_whatever_mode_the_models_are_in(make_tokenizer, make_predictor, windows):
    tokenizer, predictor = make_tokenizer(resid_dropout_p=0.5), make_predictor(ffn_dropout_p=0.5)
    calm = run(PathSampler(tokenizer, predictor, 32, device="cpu"), windows)
    training = PathSampler(tokenizer.train(), predictor.train(), 32, device="cpu")
    assert same(run(training, windows), calm)
    assert tokenizer.training
    assert predictor.training


def test_training_on_changes_a_forecaster_that_was_made_before_in_nothing(make_tokenizer, make_predictor, windows):
    tokenizer, predictor = make_tokenizer(), make_predictor()
    sampler = PathSampler(tokenizer, predictor, 32, device="cpu")
    before = run(sampler, windows)
    with torch.no_grad():
        for parameter in [*tokenizer.parameters(), *predictor.parameters()]:
            parameter.add_(1)
    assert same(run(sampler, windows), before)


def test_a_lookback_beyond_max_context_is_encoded_whole(make_tokenizer, make_predictor, windows):
    sampler = PathSampler(make_tokenizer(n_enc_layers=3), make_predictor(), max_context=6, device="cpu")
    x, *others = windows
    changed = x.copy()
    changed[:, 0] = -x[:, 0]  # outside the last 6 tokens, but the encoder has seen it
    assert not same(run(sampler, (x, *others)), run(sampler, (changed, *others)))


def test_bfloat16_agrees_with_float32_on_most_tokens(make_tokenizer, make_predictor, windows):
    exact = run(PathSampler(make_tokenizer(), make_predictor(), 32, device="cpu"), windows)
    sampler = PathSampler(make_tokenizer(), make_predictor(), 32, device="cpu", dtype="bfloat16")
    narrow = run(sampler, windows)
    # the encoder works in float32: the lookback's tokens are the same, and decoded alike to bfloat16's precision
    assert 0 < np.abs(narrow.last - exact.last).max() < 0.01 * exact.last.std()
    near = np.abs(narrow.paths[:, :, 0] - exact.paths[:, :, 0]).max(axis=-1) < 0.05 * exact.paths.std()
    assert near.mean() > 0.9


def test_the_context_is_the_architectures_own_unless_given(make_tokenizer, make_predictor):
    assert PathSampler(make_tokenizer(), make_predictor(), device="cpu").max_context == 512
    assert PathSampler(make_tokenizer(), make_predictor(), max_context=7, device="cpu").max_context == 7


def test_a_trimmed_context_is_another_forecast_only_where_the_window_would_slide(
    make_tokenizer, make_predictor, windows
):
    for limit, slides in ((32, False), (L + 1, True)):
        exact, trim = (
            PathSampler(make_tokenizer(), make_predictor(), limit, device="cpu", context=context)
            for context in ("exact", "trim")
        )
        assert same(run(exact, windows), run(trim, windows)) != slides


def test_the_published_nucleus_reaches_the_sampler(sampler, windows):
    combined, published = (
        run(sampler, windows, top_k=4, top_p=0.01, nucleus=nucleus).paths for nucleus in ("combined", "published")
    )
    assert np.abs(combined - combined[:, :1]).max() < 1e-6  # a tiny nucleus: the likeliest token
    assert np.abs(published - published[:, :1]).max() > 1e-3


def test_an_unknown_context_is_refused(make_tokenizer, make_predictor):
    with pytest.raises(ConfigError, match="context: expected exact or trim, got 'cut'"):
        PathSampler(make_tokenizer(), make_predictor(), device="cpu", context="cut")


def test_chunks_depend_on_the_shape_of_the_work_only():
    # 2^20 / (512 * 90) = 22.8: the power of two below is 16
    assert chunk_series(512, 90, 5) == 64
    assert chunk_series(64, 90, 20) == 64
    assert chunk_series(512, 400, 1) == 8
    assert chunk_series(832, 512, 5) == 4
    assert chunk_series(512, 90, 200) == 1  # many samples make rows enough
    assert chunk_series(64, 90, 200) == 8
    assert chunk_series(832, 2048, 1) == 8  # at least eight rows a step
    assert chunk_series(512, 90, 3000) == 1
    assert chunk_series(512, 90, 5, "cuda") == 256


def test_memory_decides_how_many_chunks_run_never_their_shape(sampler, windows, monkeypatch, caplog):
    monkeypatch.setattr("kronos_quant.model.sampler.CHUNK_SERIES", 8)
    monkeypatch.setattr("kronos_quant.model.sampler.GROUP_CHUNKS", 4)
    whole = run(sampler, windows)
    original, calls = sampler._run, []

    def scarce(chunk, *settings):
        calls.append(len(chunk[0]))
        if len(calls) in (2, 4):
            raise torch.OutOfMemoryError("out of memory")
        return original(chunk, *settings)

    monkeypatch.setattr(sampler, "_run", scarce)
    assert same(run(sampler, windows), whole)
    assert set(calls) == {8}
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory on cpu: continuing with 2 chunks at once",
        "out of memory on cpu: continuing with 1 chunks at once",
    ]


class LiveBytes(TorchDispatchMode):
    """The most bytes of tensors that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            storage = tensor.untyped_storage()
            if storage._cdata not in self.sizes:
                self.sizes[storage._cdata] = storage.nbytes()
                self.peak = max(self.peak, sum(self.sizes.values()))
                weakref.finalize(storage, self.sizes.pop, storage._cdata)
        return out


@pytest.mark.parametrize(
    ("lookback", "horizon", "samples", "max_context"), [(90, 10, 50, 512), (90, 10, 5, 512), (128, 8, 5, 128)]
)
def test_the_memory_of_a_chunk_is_told_beforehand(lookback, horizon, samples, max_context):
    preset = PRESETS["nano"]
    sampler = PathSampler(KronosTokenizer(preset.tokenizer), Kronos(preset.predictor), max_context, device="cpu")
    stamps = np.zeros((1, lookback + horizon, 5), np.int16)
    with LiveBytes() as live:
        sampler.sample(np.zeros((1, lookback, 6), np.float32), stamps[:, :lookback], stamps[:, lookback:], samples)
    assert 0.7 * live.peak < sampler.chunk_bytes(lookback, horizon, samples) < 2**26 + 1.5 * live.peak


def test_the_memory_of_a_chunk_grows_with_the_bars_beyond_max_context(sampler):
    width, bars, samples = 16, 7 * 32, 200
    series = chunk_series(width, 16, samples)
    more = sampler.chunk_bytes(16, 32 + bars, samples) - sampler.chunk_bytes(16, 32, samples)
    assert more >= 2 * 4 * series * samples * bars * width  # as the two networks embed them, in float32


@pytest.mark.parametrize(
    ("dtype", "limit", "top_k"),  # every two of them together; 14 lets the window slide
    [("float32", 32, 0), ("bfloat16", 14, 0), ("float32", 14, 5), ("bfloat16", 32, 5)],
)
def test_a_run_on_an_accelerator_asks_the_host_for_nothing(
    make_tokenizer, make_predictor, monkeypatch, dtype, limit, top_k
):
    # tensors without values: reading one, a shape that depends on one, or a tensor of the host among them raises
    device = torch.device("meta")
    monkeypatch.setattr("kronos_quant.model.sampler.resolve_device", lambda _: device)
    sampler = PathSampler(make_tokenizer(), make_predictor(), limit, dtype=dtype)
    stamps = torch.zeros(8, L + H, 5, dtype=torch.int64, device=device)
    x, seeds = torch.zeros(8, L, 6, device=device), torch.zeros(8, dtype=torch.int64, device=device)
    chunk = (x, stamps[:, :L], stamps[:, L:], seeds)
    bars, last = sampler._run(chunk, Sampling(0.8, top_k, 0.9), S)
    assert (bars.shape, last.shape) == ((8, S, H, 6), (8, 6))
    assert bars.device == last.device == device


def test_a_chunk_that_never_fits_is_one_clear_error(sampler, windows, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(sampler, "_run", full)
    with pytest.raises(KronosQuantError) as caught:
        run(sampler, windows)
    assert str(caught.value) == "out of memory on cpu: 64 series of 12 bars with 4 samples do not fit"
    assert "fewer samples" in caught.value.hint


def test_a_tokenizer_with_other_bits_is_refused(make_tokenizer, make_predictor):
    with pytest.raises(CheckpointError, match=r"expected s1_bits \+ s2_bits = 4 \+ 3, found 3 \+ 4"):
        PathSampler(make_tokenizer(s1_bits=3, s2_bits=4), make_predictor(), device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, a, b, s: (x[0], a, b, s), r"expected x \[B, L, 6\] and y_stamp \[B, H, 5\], found \(12, 6\)"),
        (lambda x, a, b, s: (x[:0], a[:0], b[:0], s[:0]), r"found \(0, 12, 6\)"),
        (lambda x, a, b, s: (x[:, :, :5], a, b, s), r"x: expected 6 features, found 5"),
        (lambda x, a, b, s: (x, a[:, 1:], b, s), r"x_stamp: expected shape \(17, 12, 5\), found \(17, 11, 5\)"),
        (lambda x, a, b, s: (x, a, b[:5], s), r"y_stamp: expected shape \(17, 5, 5\), found \(5, 5, 5\)"),
        (lambda x, a, b, s: (x, a, b[:, :0], s), r"y_stamp \[B, H, 5\], found \(17, 12, 6\) and \(17, 0, 5\)"),
        (lambda x, a, b, s: (x, a, b, s[:3]), r"seeds: expected shape \(17,\), found \(3,\)"),
        (lambda x, a, b, s: (np.where(np.arange(B)[:, None, None] == 3, np.nan, x), a, b, s), r"not finite in row 3"),
        (lambda x, a, b, s: (x, a + 60, b, s), r"x_stamp: minute, hour, weekday, day, month must be from 0 to"),
        (lambda x, a, b, s: (x, a, b - 100, s), r"y_stamp: minute, hour, weekday, day, month must be from 0 to"),
    ],
)
def test_windows_that_do_not_fit_are_refused(sampler, windows, change, words):
    with pytest.raises(DataError, match=words):
        run(sampler, change(*windows))


def test_other_settings_out_of_range_are_refused(sampler, windows, make_tokenizer, make_predictor):
    x, x_stamp, y_stamp, _ = windows
    with pytest.raises(ConfigError, match="samples: expected a whole number of at least 1, found 0"):
        sampler.sample(x, x_stamp, y_stamp, 0)
    models = make_tokenizer(), make_predictor()
    with pytest.raises(ConfigError, match="dtype: expected float32 or bfloat16, got 'float16'"):
        PathSampler(*models, device="cpu", dtype="float16")
    with pytest.raises(ConfigError, match="max_context: expected a whole number of at least 1, found 0"):
        PathSampler(*models, max_context=0, device="cpu")
    with pytest.raises(ConfigError, match="clip: expected a number above 0, at most 1,000,000, found 0"):
        PathSampler(*models, max_context=8, clip=0, device="cpu")
    y_stamp = np.repeat(y_stamp, 2, axis=1)
    with pytest.raises(ConfigError, match="horizon: expected at most 8 bars, 8 x the model's max_context, found 10"):
        PathSampler(*models, max_context=1, device="cpu").sample(x, x_stamp, y_stamp, 1)
    with pytest.raises(ConfigError, match="tokenizer, predictor: expected KronosTokenizer and Kronos, found int and"):
        PathSampler(5, models[1], device="cpu")


def test_devices_are_resolved_by_name(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device: expected auto, cpu, cuda, cuda:N or mps, got 5"):
        resolve_device(5)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device: cuda not found: this machine has 0 CUDA devices"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="device: cuda:2 not found: this machine has 2 CUDA devices"):
        resolve_device("cuda:2")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device: mps not found on this machine"):
        resolve_device("mps")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "CPU", "meta"])
def test_other_device_names_are_refused(name):
    with pytest.raises(ConfigError, match="device: expected auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_draws_nearly_the_same_paths(make_tokenizer, make_predictor, windows):
    on_cpu = run(PathSampler(make_tokenizer(), make_predictor(), 32, device="cpu"), windows)
    on_cuda = run(PathSampler(make_tokenizer(), make_predictor(), 32, device="cuda"), windows)
    assert np.isclose(on_cpu.paths, on_cuda.paths, atol=1e-4).mean() > 0.99


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_chunks_replayed_as_a_graph_give_the_bytes_of_ordinary_runs(
    make_tokenizer, make_predictor, windows, monkeypatch
):
    monkeypatch.setattr("kronos_quant.model.sampler.CHUNK_SERIES", 2)
    sampler = PathSampler(make_tokenizer(), make_predictor(), 32, device="cuda")
    sampler.graphs.enabled = False
    ordinary = run(sampler, windows)
    sampler.graphs.enabled = True
    assert same(run(sampler, windows), ordinary)
    assert len(sampler.graphs.graphs) == 1


def test_the_room_exports_what_it_says():
    assert all(hasattr(room, name) for name in room.__all__)
    assert len(set(room.__all__)) == len(room.__all__)
    assert {"Kronos", "KronosTokenizer", "Forecaster"} <= set(room.__all__)
