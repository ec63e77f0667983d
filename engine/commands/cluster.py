"""`nerx tag --cluster ray`: the same job on many machines."""

import os
import sys
import time
from typing import Any

import click

from ..bundle import builtin_names
from ..bundles.find import find_bundle
from ..config import LabelConfig
from ..errors import ConfigError
from ..files.remote import identity, is_url, open_filesystem
from ..run.kinds import find_kind
from .options import given

_ONE_MACHINE = {  # options that a job on a cluster does not take
    *("output", "to", "workers", "on_error", "rejects", "max_errors"),
    *("limit", "force", "stats", "shard", "threads", "token_column"),
}


def tag_on_ray(inputs: tuple[str, ...], label_config: LabelConfig, options: dict[str, Any]) -> None:
    """Labels Parquet or JSONL files on a Ray cluster, with a closing line.

    options: of the command line, by their names

    Raises:
        ConfigError: an option that a job on a cluster does not take, or Ray is not installed.
        NerxError: the job failed.
    """
    kind = _check(inputs, options)
    try:
        from ..arrow import BatchTagger
        from ..cluster.ray import RayConfig, tag
    except ImportError as error:
        raise ConfigError(
            f"--cluster ray needs Ray ({error}): run `pip install 'nerx-engine[ray]'`"
        ) from None
    model, actor_cpus = find_bundle(options["model"]), options["actor_cpus"]
    tagger = BatchTagger(
        options["model"] if options["model"] in builtin_names() else model.folder.resolve(),
        column=options["tokens_key"] or options["text_key"] or "text",
        threads=actor_cpus,
        config=label_config,
        **{name: options[name] for name in ("backend", "precision", "device")},
    )
    folder, checkpoint = _output(options["output_dir"], resume=options["resume"])
    config = RayConfig(
        inputs=[path if is_url(path) else os.path.abspath(path) for path in inputs],
        output_dir=folder,
        kind=kind,
        input_bytes=sum(identity(path)[0] for path in inputs),
        checkpoint=checkpoint,
        columns=options["columns"].split(",") if options["columns"] else None,
        gpus=options["device"] != "cpu",
        **{name: options[name] for name in ("id_column", "address", "actor_cpus")},
    )
    began = time.perf_counter()
    tag(config, tagger, progress=not options["quiet"] and sys.stderr.isatty())
    if not options["quiet"]:
        seconds = time.perf_counter() - began
        click.echo(
            f"{_count(folder, kind):,} records are in {folder} after {seconds:.1f} s", err=True
        )


def _output(folder: str, *, resume: bool) -> tuple[str, str]:
    """The output folder and, beside it, that of the checkpoint, as Ray takes them."""
    from pyarrow.fs import FileSelector

    path = folder.rstrip("/") if is_url(folder) else os.path.abspath(folder)
    filesystem, place = open_filesystem(path)
    found = filesystem.get_file_info(FileSelector(place, recursive=True, allow_not_found=True))
    if not resume and any(file.is_file for file in found):
        raise ConfigError(
            f"{folder} holds files already; name another folder, or go on with --resume"
        )
    return path, f"{path}.checkpoint"


def _count(folder: str, kind: str) -> int:
    """Rows of the whole output, those of earlier runs that this one resumed included."""
    from pyarrow import dataset

    filesystem, place = open_filesystem(folder)
    files = dataset.dataset(place, filesystem=filesystem, format=kind.replace("jsonl", "json"))
    return int(files.count_rows())


def _check(inputs: tuple[str, ...], options: dict[str, Any]) -> str:
    """The one format of all inputs, once nothing stands against the job."""
    for name in sorted(_ONE_MACHINE):
        if given(name):
            flag = name.replace("_", "-")
            raise ConfigError(f"--{flag} is of one machine, it does not go with --cluster ray")
    if options["output_dir"] is None:
        raise ConfigError("--cluster ray writes many files: name an --output-dir")
    kinds = {options["format"] or find_kind(path) for path in inputs}
    if kinds not in ({"parquet"}, {"jsonl"}):
        raise ConfigError(f"--cluster ray reads parquet or jsonl, found {' and '.join(kinds)}")
    [kind] = kinds
    if options["resume"] and kind == "jsonl" and options["id_column"] is None:
        raise ConfigError(
            "--resume of JSONL on a cluster needs --id-column: what tells lines apart"
        )
    return str(kind)
