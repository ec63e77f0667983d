"""`nerx info`: what this machine can run."""

import json
from importlib.metadata import version
from typing import Any

import click

from ..backends.cores import machine
from ..backends.select import BACKENDS, GPU_RUNTIMES, RUNTIMES, gpu_backends, installed_runtimes
from ..bundle import Bundle, builtin_names

_PACKAGES = {"torch": "'nerx-engine[cuda]'"} | {
    name: f"'nerx-engine[{name}]'" for name in GPU_RUNTIMES
}


@click.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of lines.")
def command(as_json: bool) -> None:
    """Show runtimes, devices and built-in models."""
    facts = _facts()
    if as_json:
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    cores = f"{facts['cores']} of {facts['cores_of_machine']} cores usable"
    click.echo(f"machine   {facts['processor']}, {cores}")
    click.echo(f"gpu       {', '.join(facts['gpus']) or 'none that an NVIDIA driver knows'}")
    for name, state in facts["runtimes"].items():
        missing = f"not installed: pip install {_PACKAGES.get(name, name)}"
        click.echo(f"runtime   {name:12} {state or missing}")
    auto = facts["auto"]
    click.echo(f"auto      {auto['backend'] or 'none'}: {auto['reason']}")
    for model in facts["models"]:
        click.echo(f"model     {_describe(model)}")


def _facts() -> dict[str, Any]:
    found = installed_runtimes(BACKENDS)
    backend, reason = _choice()
    return {
        "nerx": version("nerx-engine"),
        **machine(),
        "runtimes": {name: found.get(name) for name in BACKENDS},
        "auto": {"backend": backend, "reason": reason},
        "models": [_model(Bundle.load(name)) for name in builtin_names()],
    }


def _choice() -> tuple[str | None, str]:
    """What `--backend auto` takes for the built-in models, and why."""
    if on_gpu := gpu_backends():
        return on_gpu[0], "there is a GPU"
    found = list(installed_runtimes(RUNTIMES))
    if not found:
        return None, "no runtime is installed"
    if found[0] != "openvino":
        return found[0], "the only one that is installed"
    from ..backends.cpu.int8 import multiplies_int8

    if multiplies_int8():
        return found[0], "this processor has instructions for int8 products"
    return found[0], "int8 products are slow or overflow here, so int8 models run in fp32"


def _model(bundle: Bundle) -> dict[str, Any]:
    return {
        "name": bundle.name,
        "task": bundle.card.get("task", ""),
        "bytes": bundle.size_bytes,
        "precisions": [artifact.precision for artifact in bundle.artifacts],
        "licence": bundle.source.get("licence", "licence unknown"),
        "labels": list(bundle.labels),
        "scores": bundle.card.get("scores", {}),
    }


def _describe(model: dict[str, Any]) -> str:
    scores = ", ".join(f"{key} {value}" for key, value in model["scores"].items())
    return (
        f"{model['name']:8} {model['task']}; {model['bytes'] / 1e6:.0f} MB,"
        f" {', '.join(model['precisions'])}; {model['licence']}; {scores}"
    )
