"""Kernels compile for GPUs that are not here, to wide loads and matrix instructions."""

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_compile_for_ampere_and_hopper(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("compile_for_gpu.py"))],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {line[0] for line in lines} == {"80", "90"}
    assert {line[2] for line in lines} == {"True"}, "a kernel loads less than 16 bytes at once"
    for kernel in ("_word_labels_kernel", "_linear_gelu_kernel"):
        products = {(line[0], line[3]) for line in lines if line[1] == kernel}
        assert products == {("80", "mma.sync"), ("90", "wgmma.mma_async")}
    products = {line[3] for line in lines if line[1] == "_attention_kernel"}
    assert products <= {"mma.sync", "wgmma.mma_async"}, "attention without matrix instructions"
    norms = {line[4] for line in lines if line[1].endswith("_norm_kernel")}
    assert norms == {"free"}, "a norm's row is spread over warps, which wait for each other"
