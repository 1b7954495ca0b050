"""Models on the Hub: fetched once, at a pinned revision, into the Hub client's own cache, and checked there."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kronos_quant.errors import CheckpointError, KronosQuantError
from kronos_quant.files import disk_errors, file_digest
from kronos_quant.readers import read_bytes

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"

HUB_TIMEOUT_SECONDS = 5.0

PINNED_REVISIONS = {
    "NeoQuasar/Kronos-small": "901c26c1332695a2a8f243eb2f37243a37bea320",
    "NeoQuasar/Kronos-Tokenizer-base": "0e0117387f39004a9016484a186a908917e22426",
}
"""The commits that the published regression test names; other ids take the Hub's newest."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_NO_NETWORK_HINT = "copy its folder there, or in kq.yaml under model: base: scratch, preset: nano"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The folder of a model, and the commit where the Hub's client keeps it."""

    folder: Path
    commit: str | None = None


def is_hub_id(name: object) -> bool:
    """Whether a name has the form of a Hub id: owner/model."""
    return isinstance(name, str) and _HUB_ID.fullmatch(name) is not None


def fetch(name: str, looked_in: str, revision: str | None = None) -> Fetched:
    """config.json and model.safetensors of a Hub id, from the Hub client's cache if they are there.

    looked_in : where it was not found, for the error. revision : a branch, tag or commit; None: the pinned commit
    where one is known, else the newest. Shows progress on a terminal. A file whose digest is not the one that the Hub
    states for it is refused.
    Raises CheckpointError when the model is not available; uses no network when HF_HUB_OFFLINE is set.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    wanted = revision or PINNED_REVISIONS.get(name, "main")

    def download(file: str, local: bool) -> Path:
        return Path(hf_hub_download(name, file, revision=wanted, local_files_only=local))

    try:
        return _both(name, download, local=True)
    except LocalEntryNotFoundError:
        pass
    if constants.HF_HUB_OFFLINE:
        reason = "and HF_HUB_OFFLINE forbids using the Hub"
        raise CheckpointError(f"{name}: not in {looked_in}, {reason}", hint=_NO_NETWORK_HINT)
    if not _hub_answers(constants.ENDPOINT):
        raise CheckpointError(f"{name}: not in {looked_in} and the Hub cannot be reached", hint=_NO_NETWORK_HINT)
    logger.info("fetching %s at revision %s from the Hub", name, wanted)
    try:
        with disk_errors(Path(constants.HF_HUB_CACHE)):
            return _both(name, download, local=False)
    except KronosQuantError:
        raise
    except EntryNotFoundError as error:
        raise CheckpointError(
            f"{name}: {CONFIG_FILE} or {WEIGHTS_FILE} is not on the Hub at revision {wanted}",
            hint="only safetensors are loaded; pickle checkpoints are never opened",
        ) from error
    except HfHubHTTPError as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{name}: the Hub refused: {reason}", hint="check the id and the revision") from error
    except Exception as error:  # the transport's own error types differ between versions of the client
        raise CheckpointError(f"{name}: the download from the Hub failed", hint=_NO_NETWORK_HINT) from error


def is_cached(name: str) -> bool:
    """Whether the weights of a Hub id are in the Hub client's cache, at the pinned revision where one is known."""
    from huggingface_hub import try_to_load_from_cache

    revision = PINNED_REVISIONS.get(name)
    return is_hub_id(name) and isinstance(try_to_load_from_cache(name, WEIGHTS_FILE, revision=revision), str)


def _both(name: str, download: Callable[[str, bool], Path], *, local: bool) -> Fetched:
    files = [download(file, local) for file in (CONFIG_FILE, WEIGHTS_FILE)]
    for file in files:
        _check_stated(name, file)
    folder = files[-1].parent
    # the cache has a folder a commit: snapshots/<commit>/
    return Fetched(folder, folder.name)


def _check_stated(name: str, file: Path) -> None:
    """Compare a file of the cache with the digest that the Hub stated for it.

    The cache links every file to one whose name is that digest: sha256 of a large file, git's of a small one. Where
    links cannot be made (Windows) the cache holds no digest and nothing is known.
    """
    stated = file.readlink().name if file.is_symlink() else ""
    if re.fullmatch(r"[0-9a-f]{64}", stated):
        found = file_digest(file)
    elif re.fullmatch(r"[0-9a-f]{40}", stated):
        content = read_bytes(file, CheckpointError)
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        return
    if found != stated:
        raise CheckpointError(
            f"{name}: {file.name}: expected the digest {stated[:16]}…, found {found[:16]}…: damaged or altered",
            hint=f"delete {file.resolve()} and fetch it again",
        )


def _hub_answers(endpoint: str) -> bool:
    """Try once, briefly: the Hub's client would retry for half a minute."""
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=HUB_TIMEOUT_SECONDS)
    except Exception:  # the transport's own error types differ between versions of the client
        return False
    return True
