"""What nerx is compared with: a padded model that torch compiles, the Hugging Face pipeline."""

import time
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, pipeline

from ..engine.bundle import Bundle
from .gpu_measure import Bench
from .gpu_models import batches

_PIPELINE_BATCHES = (1, 8, 32, 128, 512)
_PIPELINE_S = 5.0  # of each batch size, about


def measure_compiled(
    bench: Bench, bundle: Bundle, model: Any, texts: list[str], tokens: int, rate: float
) -> None:
    """The transformers model, padded and compiled, in both orders; `rate` is that of nerx."""
    placed = model.to(bench.device, bench.dtype)
    on_gpu = bench.device.type == "cuda"
    compiled = torch.compile(placed, dynamic=True) if on_gpu else placed
    for order in ("given", "length"):
        corpus = list(batches(bundle, texts, tokens, order=order))
        inputs = [
            [torch.from_numpy(part).to(bench.device) for part in (b.input_ids, b.attention_mask)]
            for b in corpus
        ]
        subwords = sum(int(batch.attention_mask.sum()) for batch in corpus)

        def forward(inputs: Any = inputs) -> None:
            with torch.inference_mode():
                for ids, mask in inputs:
                    compiled(input_ids=ids, attention_mask=mask).logits.softmax(-1).max(-1)
            if on_gpu:
                torch.cuda.synchronize()

        p20, p50, p80 = bench.wall_s(forward, runs=3)
        bench.add(
            "peer",
            model=bundle.name,
            name="transformers, padded, torch.compile" if on_gpu else "transformers, padded",
            order=order,
            padding=1 - subwords / sum(batch.input_ids.size for batch in corpus),
            subwords_per_s=subwords / p50,
            nerx_is_times_faster=rate * p50 / subwords,
            unit="s",
            p20=p20,
            p50=p50,
            p80=p80,
        )


def measure_pipeline(
    bench: Bench, bundle: Bundle, model: Any, texts: list[str], *, small: bool
) -> None:
    """The Hugging Face pipeline by batch size, from texts to entities."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(bundle.tokenizer_path()),
        model_max_length=512,
        pad_token="[PAD]",
        unk_token="[UNK]",
    )
    model.config.id2label = dict(enumerate(bundle.labels))
    run = pipeline(
        "token-classification",
        model=model.to(bench.device, bench.dtype),
        tokenizer=tokenizer,
        device=bench.device,
        aggregation_strategy="simple",
    )
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    best = 0.0
    for size in _PIPELINE_BATCHES[:2] if small else _PIPELINE_BATCHES:
        few = texts[: 8 if small else 64]
        list(run(few, batch_size=size))  # a first run, which does not count
        began = time.perf_counter()
        list(run(few, batch_size=size))
        fit = int(len(few) * _PIPELINE_S / (time.perf_counter() - began))
        some = few if small else [texts[number % len(texts)] for number in range(max(64, fit))]
        began = time.perf_counter()
        list(run(some, batch_size=size))
        seconds = time.perf_counter() - began
        subwords = sum(lengths[number % len(texts)] for number in range(len(some)))
        best = max(best, subwords / seconds)
        bench.add(
            "peer",
            model=bundle.name,
            name="transformers pipeline",
            batch_size=size,
            documents=len(some),
            subwords_per_s=subwords / seconds,
        )
    tagged = [row for row in bench.rows if row["what"] == "tag" and row["model"] == bundle.name]
    fastest = max(row["subwords_per_s"] for row in tagged)
    bench.add(
        "peer",
        model=bundle.name,
        name="nerx tag against the pipeline at its best batch size",
        nerx_is_times_faster=fastest / best,
    )
