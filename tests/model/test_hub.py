import hashlib
import json

import pytest
from broken_models import refusal

from kronos_quant.model import hub as room
from kronos_quant.model.checkpoint import load_pair
from kronos_quant.model.kronos import Kronos, PredictorConfig


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the Hub's client that records its calls; `hub.files` is what is online, `hub.cached` local."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    class Hub:
        files, cached, online, calls = {}, {}, True, []

        def download(self, name, file, *, revision, local_files_only):
            self.calls.append((name, file, revision, local_files_only))
            source = self.cached if local_files_only else self.files
            if file in source:
                return str(source[file])
            raise LocalEntryNotFoundError("not cached") if local_files_only else EntryNotFoundError("404")

    hub = Hub()
    hub.files, hub.cached, hub.calls = {}, {}, []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    monkeypatch.setattr(room, "_hub_answers", lambda endpoint: hub.online)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return hub


def test_an_unreachable_hub_is_one_line(hub, tmp_path):
    hub.online = False
    words = refusal(Kronos.from_pretrained, "NeoQuasar/Kronos-small", models_dir=tmp_path)
    assert words == f"NeoQuasar/Kronos-small: not in {tmp_path} and the Hub cannot be reached"
    assert all(local for *_, local in hub.calls)


def test_offline_mode_never_asks_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    words = refusal(load_pair, "NeoQuasar/Kronos-small", models_dir=tmp_path)
    assert words == f"NeoQuasar/Kronos-small: not in {tmp_path}, and HF_HUB_OFFLINE forbids using the Hub"
    assert all(local for *_, local in hub.calls)


def test_a_known_id_is_fetched_at_its_pinned_revision(hub, folder):
    hub.files = {path.name: path for path in folder.iterdir()}
    model = Kronos.from_pretrained("NeoQuasar/Kronos-small")
    assert model.config == PredictorConfig(**json.loads((folder / "config.json").read_text()))
    assert {revision for _, _, revision, _ in hub.calls} == {"901c26c1332695a2a8f243eb2f37243a37bea320"}
    assert {file for _, file, *_ in hub.calls} == {"config.json", "model.safetensors"}


def test_a_given_revision_wins_and_the_cache_is_enough(hub, folder):
    hub.online = False
    hub.cached = {path.name: path for path in folder.iterdir()}
    Kronos.from_pretrained("NeoQuasar/Kronos-small", revision="abc")
    assert [(revision, local) for _, _, revision, local in hub.calls] == [("abc", True)] * 2


def test_an_id_without_safetensors_is_refused(hub, folder):
    hub.files = {"config.json": folder / "config.json"}
    words = refusal(Kronos.from_pretrained, "somebody/pickled")
    assert words == "somebody/pickled: config.json or model.safetensors is not on the Hub at revision main"


def test_a_broken_download_is_one_line(hub, monkeypatch):
    def download(name, file, *, revision, local_files_only):
        if not local_files_only:
            raise ConnectionResetError("peer went away")
        return hub.download(name, file, revision=revision, local_files_only=True)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    words = refusal(Kronos.from_pretrained, "somebody/model")
    assert words == "somebody/model: the download from the Hub failed"


@pytest.fixture
def cache(hub, folder, tmp_path):
    """The Hub client's cache: each file of a snapshot links to one whose name is the digest that the Hub stated."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in ("config.json", "model.safetensors"):
        content = (folder / file).read_bytes()
        small = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        blob = blobs / (small if file == "config.json" else hashlib.sha256(content).hexdigest())
        blob.write_bytes(content)
        (snapshot / file).symlink_to(blob)
    hub.cached = {path.name: path for path in snapshot.iterdir()}
    return snapshot


def test_files_of_the_cache_with_the_stated_digests_load_and_tell_their_commit(cache):
    assert room.fetch("somebody/model", "here") == room.Fetched(cache, "c" * 40)
    assert Kronos.from_pretrained("somebody/model").config.d_model == 16


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_what_the_hub_stated_is_refused(cache, file):
    blob = (cache / file).resolve()
    blob.write_bytes(blob.read_bytes() + b" ")
    words = refusal(Kronos.from_pretrained, "somebody/model")
    assert words.startswith(f"somebody/model: {file}: expected the digest {blob.name[:16]}…, found ")
    assert words.endswith("damaged or altered")
