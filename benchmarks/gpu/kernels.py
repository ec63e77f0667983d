"""Each kernel: checked against float64, then timed beside plain torch and what torch compiles."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from ...kernels.attention import attention
from ...kernels.bias_gelu import bias_gelu, bias_gelu_reference
from ...kernels.embedding_norm import embedding_norm, embedding_norm_reference
from ...kernels.linear_gelu import linear_gelu
from ...kernels.residual_norm import residual_norm, residual_norm_reference
from ...kernels.word_labels import word_labels, word_labels_reference
from .timing import Bench

EPS = 1e-12
_CHECKED_ROWS = 300  # odd on purpose, so that the last tile is not full
_ROUNDING = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def measure_kernels(bench: Bench, config: Any, tokens: int) -> None:
    """Every operation on a batch of so many subwords."""
    for name, kernel, reference, plain, inputs, moved in _operations(bench, config, tokens):
        error, allowed = _check(kernel, reference, inputs, _ROUNDING[bench.dtype])
        facts = {"error": error, "allowed": allowed, "passed": error <= allowed}  # not so: NaN
        bench.add("check", model=config.model_type, name=name, **facts)
        values = {"model": config.model_type, "name": name, "shape": [tokens, *inputs[0].shape[1:]]}
        rivals = {"nerx": kernel, "torch": plain}
        if bench.on_gpu:
            torch._dynamo.reset()  # else the shapes of the model before count, and are limited
            rivals["torch.compile"] = torch.compile(plain)
        for by, function in rivals.items():
            work = partial(function, *inputs)
            bench.add_timed("kernel", work, by=by, bytes_moved=moved, **values)


def measure_products(bench: Bench, config: Any, tokens: int) -> None:
    """The matrix products of a layer, and attention: what the kernels stand between."""
    width, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    sizes = {"qkv": (width, 3 * width), "out": (width, width), "up": (width, inner)}
    sizes |= {"down": (inner, width)}
    sizes |= dict.fromkeys(("up with GELU by erf", "up with GELU by tanh"), (width, inner))
    for name, (a, b) in sizes.items():
        x, weight = torch.randn(tokens, a, **bench.place), torch.randn(b, a, **bench.place)
        work = partial(linear, x, weight)
        if "GELU" in name:
            bias = torch.randn(b, **bench.place)
            work = partial(linear_gelu, x, weight, bias, tanh="tanh" in name)
        bench.add_timed(
            "product",
            work,
            model=config.model_type,
            name=name,
            shape=[tokens, a, b],
            operations=2.0 * tokens * a * b,
        )
    for length in (32, 64, 128, 512):
        rows = max(1, tokens // length)
        begin = torch.arange(rows + 1, dtype=torch.int32, device=bench.device) * length
        qkv = torch.randn(rows * length, 3, heads, width // heads, **bench.place)
        bench.add_timed(
            "attention",
            partial(attention, qkv, begin, length),
            model=config.model_type,
            length=length,
            shape=list(qkv.shape),
            operations=4.0 * rows * length**2 * width,
        )


def _operations(bench: Bench, config: Any, tokens: int) -> list[tuple[Any, ...]]:
    """Name, kernel, reference, naive torch, inputs, and the bytes that must be moved."""
    width, inner, labels = config.hidden_size, config.intermediate_size, config.num_labels
    narrow = getattr(config, "embedding_size", width)
    size = torch.finfo(bench.dtype).bits // 8
    random = torch.Generator(bench.device).manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, **bench.place)

    def ints(most: int, count: int) -> Tensor:
        drawn = torch.randint(most, (count,), generator=random, device=bench.device)
        return drawn.to(torch.int32)

    tanh = config.hidden_act != "gelu"
    how = "tanh" if tanh else "none"
    words = tokens * 3 // 4
    first = torch.arange(words, dtype=torch.int32, device=bench.device) * tokens // words
    row, norm = draw(width), (draw(narrow), draw(narrow))
    return [
        (
            "embedding_norm",
            lambda *t: embedding_norm(*t, EPS),
            lambda *t, **o: embedding_norm_reference(*t, EPS, **o),
            lambda i, p, v, q, g, b: layer_norm(v[i] + q[p], (narrow,), g, b, EPS),
            (ints(config.vocab_size, tokens), ints(512, tokens), draw(config.vocab_size, narrow),
             draw(512, narrow), *norm),
            tokens * (2 * narrow * size + 8),
        ),
        (
            "bias_gelu",
            lambda *t: bias_gelu(*t, tanh=tanh),
            lambda *t, **o: bias_gelu_reference(*t, tanh=tanh, **o),
            lambda x, b: gelu(x + b, approximate=how),
            (draw(tokens, inner), draw(inner)),
            2 * tokens * inner * size,
        ),
        (
            "residual_norm",
            lambda *t: residual_norm(*t, EPS),
            lambda *t, **o: residual_norm_reference(*t, EPS, **o),
            lambda x, a, r, g, b: layer_norm(x + a + r, (width,), g, b, EPS),
            (draw(tokens, width), row, draw(tokens, width), row + 1, row),
            3 * tokens * width * size,
        ),
        (
            "word_labels",
            lambda *t: word_labels(*t)[2],
            lambda *t, **o: word_labels_reference(*t, **o)[2],
            lambda h, w, b, f: linear(h[f], w, b).float().softmax(-1).max(-1),
            (draw(tokens, width), draw(labels, width), draw(labels), first),
            words * (width * size + 4 + 5 + 4 * labels),
        ),
    ]  # fmt: skip


def _check(
    kernel: Callable[..., Tensor],
    reference: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    rounding: float,
) -> tuple[float, float]:
    """The kernel's largest error against float64, and what plain torch and rounding allow."""
    few = [_head(tensor, inputs[0]) for tensor in inputs]
    exact = [tensor.double() if tensor.is_floating_point() else tensor for tensor in few]
    truth = reference(*exact, upcast=False)
    naive = (reference(*few, upcast=False).double() - truth).abs().max()
    allowed = naive + rounding * truth.abs().max().clamp(min=1)
    return float((kernel(*few).double() - truth).abs().max()), float(allowed)


def _head(tensor: Tensor, first: Tensor) -> Tensor:
    """The first rows of what has a row a subword."""
    if len(tensor) != len(first):
        return tensor[tensor < _CHECKED_ROWS] if tensor.dtype == torch.int32 else tensor
    return tensor[:_CHECKED_ROWS]
