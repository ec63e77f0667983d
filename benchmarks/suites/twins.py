"""The pipeline and the spaCy component of nerx beside what they stand in for, on the same weights.

    python -m nerx.benchmarks.suites.twins GOLD.conll [-m en] [--sentences N] [--json FILE]

Each system labels the same sentences; what it finds is compared with what the original finds,
entity for entity, and each entity that fp32 weights find otherwise is named with the reason.
Needs the extras `bench` and `spacy`.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from ...engine import pipeline
from ...engine.bundle import Bundle
from ...engine.bundles.find import in_precisions
from ...engine.run.gold import read_gold
from ..peers.checkpoint import checkpoint_of

_WARM = 50  # sentences that are labelled before time is taken

Entities = list[tuple[Any, ...]]
System = Callable[[list[list[str]]], list[Entities]]


def pipeline_system(ner: Any, strategy: str) -> System:
    """A pipeline, given texts."""

    def run(sentences: list[list[str]]) -> list[Entities]:
        texts = [" ".join(words) for words in sentences]
        found = ner(texts, aggregation_strategy=strategy, batch_size=8)
        keys = ("entity_group", "word", "start", "end")
        return [[tuple(entity[key] for key in keys) for entity in row] for row in found]

    return run


def spacy_system(component: str, config: dict[str, Any]) -> System:
    """A blank language with one component, given documents whose words are cut already."""
    import spacy
    from spacy.tokens import Doc

    language = spacy.blank("en")
    language.add_pipe(component, config=config)

    def run(sentences: list[list[str]]) -> list[Entities]:
        # no space after the last word, which the original would give the model as a subword
        spaces = ([True] * (len(words) - 1) + [False] for words in sentences)
        pairs = zip(sentences, spaces, strict=True)
        documents = (Doc(language.vocab, words=words, spaces=gaps) for words, gaps in pairs)
        return [
            [(ent.label_, ent.start_char, ent.end_char) for ent in doc.ents]
            for doc in language.pipe(documents)
        ]

    return run


def measure(system: System, sentences: list[list[str]]) -> tuple[float, list[Entities]]:
    """Words a second, and what was found."""
    system(sentences[:_WARM])
    began = time.perf_counter()
    found = system(sentences)
    return sum(map(len, sentences)) / (time.perf_counter() - began), found


def agreement(found: list[Entities], original: list[Entities]) -> float:
    """The share of entities, of both together, that both have."""
    both = sum(len(set(a) & set(b)) for a, b in zip(found, original, strict=True))
    return 2 * both / max(sum(map(len, found)) + sum(map(len, original)), 1)


def differences(
    sentences: list[list[str]],
    found: list[Entities],
    original: list[Entities],
    tokenize: Callable[[str], list[str]],
) -> Iterator[tuple[str, str]]:
    """Each entity that only one of the two has, and why.

    The original takes a bare `▁`, which a SentencePiece model may cut from a word, for a word of
    its own, so that the label of the rest counts. To nerx it is the word's first subword, as in
    training.
    """
    for sentence, here, there in zip(sentences, found, original, strict=True):
        for entity in sorted(set(here) ^ set(there)):
            *_, start, end = entity
            words = " ".join(sentence)[start:end].split()
            bare = any(tokenize(word)[:1] == ["▁"] for word in words)
            yield " ".join([*words, entity[0]]), "begins with a bare ▁" if bare else "unexplained"


def groups(fp32: str, checkpoint: str, model: str) -> dict[str, dict[str, System]]:
    """The systems by what they stand in for, the original first.

    fp32, checkpoint: folders of the same weights, as a bundle and as transformers takes them
    model: as shipped
    """
    from transformers import pipeline as original

    theirs = original("token-classification", model=checkpoint, device=-1)
    ours = pipeline(model=fp32, precision="fp32")
    fast = pipeline(model=model)
    hugging_face = {"model": checkpoint, "aggregation_strategy": "first", "annotate": "ents"}
    hugging_face["alignment_mode"] = "contract"  # a SentencePiece word begins with its space
    exact = {"model": fp32, "precision": "fp32", "decode": "argmax"}  # the rule of the original
    return {
        f"pipeline, {strategy}": {
            "transformers, fp32": pipeline_system(theirs, strategy),
            "nerx, fp32": pipeline_system(ours, strategy),
            "nerx, as shipped": pipeline_system(fast, strategy),
        }
        for strategy in ("first", "simple")
    } | {
        "spaCy": {
            "spacy-huggingface-pipelines, fp32": spacy_system("hf_token_pipe", hugging_face),
            "nerx, fp32": spacy_system("nerx", exact),
            "nerx, as shipped": spacy_system("nerx", {"model": model}),
        }
    }


@click.command()
@click.argument("gold")
@click.option("-m", "--model", default="en")
@click.option("--sentences", type=int, help="How many of them; all by default.")
@click.option("--json", "path", help="Write the rows here.")
def main(gold: str, model: str, sentences: int | None, path: str | None) -> None:
    """Measure the twins on the sentences of GOLD."""
    from transformers import AutoTokenizer

    words = [row for row, _ in islice(read_gold(gold), sentences)]
    held = in_precisions(Bundle.load(model), ("fp32",))
    checkpoint = checkpoint_of(str(held.folder))
    # The originals read capitals as they are.
    fp32 = click.get_current_context().with_resource(TemporaryDirectory())
    shutil.copytree(held.folder, fp32, dirs_exist_ok=True)
    replace(held, folder=Path(fp32), title_case=False).write_manifest()
    tokenize = AutoTokenizer.from_pretrained(checkpoint).tokenize
    rows = []
    for group, systems in groups(fp32, checkpoint, model).items():
        first: tuple[float, list[Entities]] | None = None
        for name, system in systems.items():
            rate, found = measure(system, words)
            first = first or (rate, found)
            rows.append(
                {
                    "group": group,
                    "system": name,
                    "words_per_s": round(rate),
                    "ratio": round(rate / first[0], 2),
                    "agreement": round(agreement(found, first[1]), 5),
                    "entities": sum(map(len, found)),
                }
            )
            click.echo(
                f"{group:18}{name:36}{rate:9,.0f} words/s{rows[-1]['ratio']:7.2f}x"
                f"{rows[-1]['agreement']:10.3%} of entities agree"
            )
            if name == "nerx, fp32":
                for entity, reason in differences(words, found, first[1], tokenize):
                    click.echo(f"    {entity}: {reason}")
    if path is not None:
        packages = ("nerx-engine", "transformers", "torch", "spacy", "spacy-huggingface-pipelines")
        facts = {"sentences": len(words), "versions": {name: version(name) for name in packages}}
        Path(path).write_text(json.dumps(facts | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
