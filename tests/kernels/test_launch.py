"""Kernels run where Triton is; references everywhere else."""

import subprocess
import sys

import torch

from nerx.kernels import launch


def test_cpu_tensors_take_the_references_unless_a_test_asks(device):
    tensor = torch.zeros(1)
    assert launch.runs_kernels(tensor) == launch.INTERPRETED


def test_everything_works_without_triton():
    code = """
import sys
sys.modules["triton"] = None  # as if it were not installed
import torch
from nerx.kernels.bias_gelu import bias_gelu
from nerx.kernels.embedding_norm import embedding_norm
from nerx.kernels.residual_norm import residual_norm
from nerx.kernels.word_labels import word_labels
x, row = torch.randn(3, 8), torch.randn(8)
first = torch.tensor([2, 0], dtype=torch.int32)
assert bias_gelu(x, row).shape == residual_norm(x, row, x, row, row, 1e-12).shape == (3, 8)
assert embedding_norm(first, first, x, x, row, row, 1e-12).shape == (2, 8)
assert word_labels(x, x, row[:3].contiguous(), first)[0].shape == (2,)
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
