"""The environment variables that change what `kq` does."""

from __future__ import annotations

from dataclasses import dataclass

ENV_PREFIX = "KQ_"


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: its name, what reads it, and what it does."""

    name: str
    group: str
    """Settings, torchrun, Hugging Face Hub, trackers, libraries or internal."""
    meaning: str


SETTINGS, TORCHRUN, HUB, TRACKERS, LIBRARIES, INTERNAL = (
    "Settings of kq",
    "Training on several machines, set by torchrun",
    "Hugging Face Hub, read by huggingface_hub",
    "Experiment trackers, read by their own packages",
    "Libraries",
    "Internal: set by kq for its own processes",
)
"""Groups, in the order of the reference."""

VARIABLES = (
    Variable(
        "KQ_<SECTION>__<FIELD>",
        SETTINGS,
        "a setting of kq.yaml, such as KQ_TRAIN__BATCH_SIZE=32; wins over the file, and a flag wins over it. A section "
        "that does not exist is an error",
    ),
    Variable("KQ_DEBUG", SETTINGS, "set to anything: an error prints its traceback"),
    Variable("NO_COLOR", SETTINGS, "set to anything: help texts without colours and frames"),
    Variable(
        "KQ_PUBLISHED_WEIGHTS",
        SETTINGS,
        "tests only: folder with Kronos-small/ and Kronos-Tokenizer-base/, for the tests that need published weights",
    ),
    Variable("WORLD_SIZE", TORCHRUN, "number of processes; default 1"),
    Variable("RANK", TORCHRUN, "number of this process, from 0"),
    Variable("LOCAL_RANK", TORCHRUN, "number of this process on its machine, which is the GPU that it uses"),
    Variable("MASTER_ADDR", TORCHRUN, "address of the machine of rank 0"),
    Variable("MASTER_PORT", TORCHRUN, "port on that machine"),
    Variable("DIST_BACKEND", TORCHRUN, "nccl or gloo where train.backend of kq.yaml is null"),
    Variable(
        "HF_ENDPOINT",
        HUB,
        "address of a mirror of the Hub, such as https://hf-mirror.com, where huggingface.co is slow",
    ),
    Variable("HF_HUB_OFFLINE", HUB, "1: never use the network; weights must be in models/ or in the cache"),
    Variable("HF_HUB_CACHE", HUB, "folder of downloaded weights; default ~/.cache/huggingface/hub"),
    Variable("COMET_API_KEY", TRACKERS, "key of the Comet account, for train.trackers: [comet]; never put in a file"),
    Variable("COMET_PROJECT_NAME", TRACKERS, "Comet project where train.comet.project_name is null"),
    Variable("COMET_WORKSPACE", TRACKERS, "Comet workspace where train.comet.workspace is null"),
    Variable(
        "MLFLOW_TRACKING_URI",
        TRACKERS,
        "MLflow server or database, for train.trackers: [mlflow]; file: is refused by MLflow 3.13 and newer",
    ),
    Variable("MLFLOW_EXPERIMENT_NAME", TRACKERS, "MLflow experiment; default: MLflow's own"),
    Variable(
        "OMP_NUM_THREADS",
        LIBRARIES,
        "threads of PyTorch per process; where it is not set, training divides the cores among its processes",
    ),
    Variable(
        "NUMBA_CACHE_DIR",
        LIBRARIES,
        "folder of compiled back-test code; default: next to the installed packages. Set it where those are read-only",
    ),
    Variable("RAY_USAGE_STATS_ENABLED", LIBRARIES, "kq sets 0 before it starts Ray, unless you set it"),
    Variable("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", LIBRARIES, "kq sets 0 before it starts Ray, unless you set it"),
    Variable("MKL_NUM_THREADS", INTERNAL, "threads of MKL in processes that score signals: 1"),
    Variable("OPENBLAS_NUM_THREADS", INTERNAL, "threads of OpenBLAS in processes that score signals: 1"),
    Variable("PYTHONSAFEPATH", INTERNAL, "1 in every process that kq starts: none imports from the current folder"),
    Variable("KQ_LAUNCHER", INTERNAL, "process id of the launcher of a training"),
    Variable("KQ_LAUNCHED_AT", INTERNAL, "when a training was launched, seconds since 1970"),
)
"""By group."""
