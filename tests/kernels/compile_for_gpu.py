"""Compiles every kernel to machine code without a GPU; prints what its loads and products became.

Run as a program: the interpreter must not be chosen, and it is chosen as Triton is imported.
"""

import re

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from nerx.kernels.bias_gelu import _bias_gelu_kernel
from nerx.kernels.embedding_norm import _embedding_norm_kernel
from nerx.kernels.residual_norm import _residual_norm_kernel
from nerx.kernels.word_labels import _word_labels_kernel

NORM = {"eps": "fp32", "ROWS": 4, "WIDTH": 1024}
GELU = {"ROWS": 16, "COLUMNS": 256}
OUT = {"ids": "*u8", "scores": "*fp32", "word_logits": "*fp32"}
TILE = {"MEAN": True, "LOGITS": True, "WORDS": 64, "DEPTH": 64, "TINY": 1e-30}
DECODE = OUT | TILE | {"first": "*i32", "pieces": "*i32"}
KERNELS = (
    (_residual_norm_kernel, NORM),
    (_embedding_norm_kernel, NORM | {"ids": "*i32", "positions": "*i32"}),
    (_bias_gelu_kernel, GELU | {"TANH": False}),
    (_bias_gelu_kernel, GELU | {"TANH": True}),
    (_word_labels_kernel, DECODE | {"POOLED": False, "LABELS": 16}),
    (_word_labels_kernel, DECODE | {"POOLED": True, "LABELS": 64}),
)
SIZES = ("width", "words", "labels", "subwords")


def compiled(kernel, given: dict, floats: str, capability: int) -> str:
    """The PTX of a kernel for tensors and a width that are aligned as those of real models are.

    given: types and values of parameters; a size is an integer, all others are tensors of `floats`
    """
    names = kernel.arg_names
    given = dict.fromkeys(names, floats) | {n: "i32" for n in names if n in SIZES} | given
    types = {n: kind if isinstance(kind, str) else "constexpr" for n, kind in given.items()}
    aligned = [n for n in names if types[n].startswith("*") or n == "width"]
    source = ASTSource(
        kernel,
        types,
        constexprs={(names.index(n),): given[n] for n in names if types[n] == "constexpr"},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in aligned},
    )
    return triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]


def main() -> None:
    for capability, kernels in ((90, KERNELS), (80, KERNELS[-2:-1])):
        for kernel, given in kernels:
            ptx = compiled(kernel, given, "*fp16", capability)
            wide = re.search(r"ld\.global\.v4\.b32|cp\.async.*, 0x10,", ptx)
            product = re.search(r"wgmma\.mma_async|mma\.sync", ptx)
            print(capability, kernel.__name__, bool(wide), product[0] if product else "none")


if __name__ == "__main__":
    main()
