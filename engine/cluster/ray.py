"""Ray: read, label and write as one pipeline of Ray Data, which distributes and retries it."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import ray.data
from pyarrow import Table
from ray.data.checkpoint import CheckpointConfig

from ..arrow import BatchTagger
from ..backends.cores import usable_cores
from ..errors import ConfigError, NerxError

# Ray's own tasks list, read, leave out what is done already, and write. With actors on every CPU
# they would wait for the actors and these for them, for ever: two CPUs are never given to actors.
_CPUS_OF_RAY = 2
_LIGHT_CPUS = 0.1  # of a task that waits for a disk or the network
_BLOCKS_PER_ACTOR = 8  # or more of them, so that no actor is idle for long while another works
_BLOCK_BYTES = 128 << 10, 4 << 20  # seconds to minutes of work for a core; Ray's 128 MB take hours


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """What is read and written, and where."""

    inputs: Sequence[str]
    output_dir: str  # a file in it is whole or is not there
    kind: str  # of inputs and outputs: "parquet" or "jsonl"
    input_bytes: int  # of all inputs, as they are stored
    checkpoint: str  # a URL or an absolute path: what is done already
    id_column: str | None = None  # differs in each row; for Parquet, Ray can add `row_hash`
    columns: Sequence[str] | None = None  # to be carried over, None for all
    address: str | None = None  # of a cluster; None for RAY_ADDRESS, else one on this machine
    actor_cpus: int = 1  # an actor computes on that many cores
    gpus: bool = True  # an actor has one, where the cluster has some


class _Actor:
    """What runs on every core or GPU: the tagger that the driver has pickled."""

    def __init__(self, tagger: BatchTagger) -> None:
        self._tagger = tagger

    def __call__(self, rows: Table) -> Table:
        return self._tagger(rows)


def tag(config: RayConfig, tagger: BatchTagger, *, progress: bool = False) -> None:
    """Labels all rows of the inputs that the checkpoint does not know.

    Raises:
        ConfigError: there is no such cluster, or it is too small.
        NerxError: an input or a row is bad, or the job failed.
    """
    _connect(config.address)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors come as exceptions
    cpus, gpus = (int(ray.cluster_resources().get(name, 0)) for name in ("CPU", "GPU"))
    actors = (cpus - _CPUS_OF_RAY) // config.actor_cpus
    if actors < 1:
        raise ConfigError(
            f"the cluster has {cpus} CPUs; expected {_CPUS_OF_RAY} for Ray's own tasks, which are"
            f" light, and {config.actor_cpus} for an actor: name more to `ray start --num-cpus`"
        )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = progress
    if on_gpu := config.gpus and gpus > 0:
        actors = min(actors, gpus)
    else:
        share, (least, most) = config.input_bytes // (actors * _BLOCKS_PER_ACTOR), _BLOCK_BYTES
        context.target_max_block_size = min(max(share, least), most)
    id_column = config.id_column or ("row_hash" if config.kind == "parquet" else None)
    context.checkpoint_config = id_column and CheckpointConfig(id_column, config.checkpoint)
    try:
        rows = _read(config)
        if config.columns is not None:
            wanted = [*config.columns, tagger.column, *filter(None, [id_column])]
            rows = rows.select_columns(list(dict.fromkeys(wanted)))
        tagger.schema(rows.schema().base_schema)  # what is wrong with it is said once, here
        labelled = rows.map_batches(
            _Actor,
            fn_constructor_args=[tagger],
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
            num_cpus=config.actor_cpus,
            num_gpus=1 if on_gpu else 0,
        )
        if config.columns is not None and tagger.column not in config.columns:
            labelled = labelled.drop_columns([tagger.column])
        write = labelled.write_parquet if config.kind == "parquet" else labelled.write_json
        write(config.output_dir, ray_remote_args={"num_cpus": _LIGHT_CPUS})
    except (ray.exceptions.RayError, OSError, ValueError) as error:
        # What nerx said in an actor, else the last word, of all that Ray has wrapped around it.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        own = [line for line in lines if line.startswith("nerx.engine.errors.")]
        text = own[0].partition(": ")[2] if own else f"the Ray job failed: {lines[-1]}"
        raise NerxError(text) from error


def _read(config: RayConfig) -> ray.data.Dataset:
    if config.kind == "jsonl":
        return ray.data.read_json(list(config.inputs), num_cpus=_LIGHT_CPUS)
    options = {"include_row_hash": config.id_column is None, "num_cpus": _LIGHT_CPUS}
    return ray.data.read_parquet(list(config.inputs), **options)


def _connect(address: str | None) -> None:
    """Joins a cluster, or starts one on this machine whose spare CPUs are for Ray's own tasks."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report over the network
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    cpus = usable_cores() + _CPUS_OF_RAY if address == "local" else None
    try:
        # What Ray's own threads print as a job ends stays in its logs; errors come as exceptions.
        ray.init(address=address, num_cpus=cpus, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"no Ray cluster at {address}: {error}") from None
