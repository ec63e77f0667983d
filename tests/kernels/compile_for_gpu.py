"""Compiles every kernel to machine code without a GPU; prints what became of it.

Run as a program: the interpreter must not be chosen, and it is chosen as Triton is imported.
"""

import re

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from nerx.kernels.attention import _attention_kernel
from nerx.kernels.bias_gelu import _bias_gelu_kernel
from nerx.kernels.embedding_norm import _embedding_norm_kernel
from nerx.kernels.geglu import _geglu_kernel
from nerx.kernels.linear_gelu import _COLUMNS, _DEPTH, _ROWS, _linear_gelu_kernel
from nerx.kernels.residual_norm import _residual_norm_kernel
from nerx.kernels.rotary import _rotary_kernel
from nerx.kernels.word_labels import _word_labels_kernel

NORM = {"eps": "fp32", "WIDTH": 1024}
GELU = {"ROWS": 16, "COLUMNS": 256}
OUT = {"ids": "*u8", "scores": "*fp32", "word_logits": "*fp32"}
TILE = {"MEAN": True, "LOGITS": True, "WORDS": 64, "DEPTH": 64, "TINY": 1e-30}
DECODE = OUT | TILE | {"first": "*i32", "pieces": "*i32"}
UP = {"ROWS": _ROWS, "COLUMNS": _COLUMNS, "DEPTH": _DEPTH}
ROTARY = {"positions": "*i32", "table": "*fp32", "HEADS": 32, "HALF": 32}
SEQUENCES = {"begin": "*i32", "scale": "fp32", "SIZE": 64}
KERNELS = (  # with the warps of a program
    (_residual_norm_kernel, NORM, 1),
    (_embedding_norm_kernel, NORM | {"ids": "*i32", "positions": "*i32"}, 1),
    (_bias_gelu_kernel, GELU | {"TANH": False}, 4),
    (_bias_gelu_kernel, GELU | {"TANH": True}, 4),
    (_linear_gelu_kernel, UP, 8),
    (_geglu_kernel, {"ROWS": 8, "COLUMNS": 256}, 4),
    (_rotary_kernel, ROTARY, 1),
    (_attention_kernel, SEQUENCES | {"TILE": 32, "WINDOW": -1}, 4),
    (_attention_kernel, SEQUENCES | {"TILE": 64, "WINDOW": -1}, 4),
    (_attention_kernel, SEQUENCES | {"TILE": 64, "WINDOW": 64}, 4),
    (_word_labels_kernel, DECODE | {"POOLED": False, "LABELS": 16}, 4),
    (_word_labels_kernel, DECODE | {"POOLED": True, "LABELS": 64}, 4),
)
SIZES = ("width", "inner", "words", "labels", "subwords", "heads", "size", "half")


def compiled(kernel, given: dict, floats: str, capability: int, warps: int) -> str:
    """The PTX of a kernel for tensors and a width that are aligned as those of real models are.

    given: types and values of parameters; a size is an integer, all others are tensors of `floats`
    """
    names = kernel.arg_names
    given = dict.fromkeys(names, floats) | {n: "i32" for n in names if n in SIZES} | given
    types = {n: kind if isinstance(kind, str) else "constexpr" for n, kind in given.items()}
    aligned = [
        n for n in names if types[n].startswith("*") or n in ("width", "inner", "size", "half")
    ]
    source = ASTSource(
        kernel,
        types,
        constexprs={(names.index(n),): given[n] for n in names if types[n] == "constexpr"},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in aligned},
    )
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options={"num_warps": warps}).asm["ptx"]


def main() -> None:
    for capability in (80, 90):
        for kernel, given, warps in KERNELS:
            ptx = compiled(kernel, given, "*fp16", capability, warps)
            wide = re.search(r"ld\.global\.v4\.b32|cp\.async.*, 0x10,", ptx)
            product = re.search(r"wgmma\.mma_async|mma\.sync", ptx)
            barriers = "barriers" if "bar.sync" in ptx else "free"
            print(
                capability, kernel.__name__, bool(wide), product[0] if product else "none", barriers
            )


if __name__ == "__main__":
    main()
