"""`nerx info`: what this machine can run."""

import os

import click

from ..backends.cores import gpu_names, processor_name, usable_cores
from ..backends.select import BACKENDS, GPU_RUNTIMES, RUNTIMES, gpu_backends, installed_runtimes
from ..bundle import Bundle, builtin_names

_PACKAGES = {"torch": "'nerx-engine[cuda]'"} | {
    name: f"'nerx-engine[{name}]'" for name in GPU_RUNTIMES
}


@click.command("info")
def command() -> None:
    """Show runtimes, devices and built-in models."""
    click.echo(f"machine   {processor_name()}, {usable_cores()} of {os.cpu_count()} cores usable")
    click.echo(f"gpu       {', '.join(gpu_names()) or 'none that an NVIDIA driver knows'}")
    found = installed_runtimes(BACKENDS)
    for name in BACKENDS:
        state = found.get(name, f"not installed: pip install {_PACKAGES.get(name, name)}")
        click.echo(f"runtime   {name:12} {state}")
    click.echo(f"auto      {_choice()}")
    for name in builtin_names():
        click.echo(f"model     {_describe(Bundle.load(name))}")


def _choice() -> str:
    """What `--backend auto` takes for the built-in models, and why."""
    if on_gpu := gpu_backends():
        return f"{on_gpu[0]}: there is a GPU"
    found = list(installed_runtimes(RUNTIMES))
    if not found:
        return "none: no runtime is installed"
    if found[0] != "openvino":
        return f"{found[0]}: the only one that is installed"
    from ..backends.cpu.int8 import multiplies_int8

    if multiplies_int8():
        return "openvino: this processor has instructions for int8 products"
    return "openvino, int8 models in fp32: no instructions for int8 products here, so it is faster"


def _describe(bundle: Bundle) -> str:
    precisions = ", ".join(artifact.precision for artifact in bundle.artifacts)
    scores = ", ".join(f"{key} {value}" for key, value in bundle.card.get("scores", {}).items())
    return (
        f"{bundle.name:4}{bundle.card.get('task', '')}; {bundle.size_bytes / 1e6:.0f} MB,"
        f" {precisions}; {bundle.source.get('licence', 'licence unknown')}; {scores}"
    )
