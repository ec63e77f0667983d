"""Holds nerx's labels to those of `transformers`, word for word, and to themselves.

    python -m nerx.benchmarks.check_transformers HF_FOLDER BUNDLE FILE [--limit N]

transformers labels one sentence at a time and takes each word's first subword; nerx runs the bundle
with arg max decoding, first as `nerx tag` does, then with other batch sizes and in reverse order.
FILE is gold data, or text of which each character is a word.
"""

from collections.abc import Sequence

import click
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from ..engine import LabelConfig, Tagger
from ..engine.run.gold import read_gold

Words = Sequence[str]


def transformers_labels(folder: str, sentences: Sequence[Words]) -> list[list[str]]:
    """The label of each word's first subword, one sentence a forward pass, fp32."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    labels = []
    for words in sentences:
        encoding = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            best = model(**encoding).logits[0].argmax(dim=-1).tolist()
        first = {word: at for at, word in reversed(list(enumerate(encoding.word_ids())))}
        labels.append([model.config.id2label[best[first[word]]] for word in range(len(words))])
    return labels


def nerx_labels(bundle: str, sentences: Sequence[Words], batch_tokens: int | None) -> list[Words]:
    config = LabelConfig(decode="argmax", batch_tokens=batch_tokens)
    with Tagger(bundle, config=config) as tagger:
        return [document["tags"] for document in tagger.pipe(sentences)]


@click.command()
@click.argument("folder")
@click.argument("bundle")
@click.argument("file")
@click.option("--limit", type=int, help="Sentences to compare, if not all.")
def main(folder: str, bundle: str, file: str, limit: int | None) -> None:
    sentences = [words[:500] for words, _ in read_gold(file)][:limit]
    words = sum(map(len, sentences))
    usual = nerx_labels(bundle, sentences, None)
    for batch_tokens in (1, 4000):
        same = nerx_labels(bundle, sentences, batch_tokens) == usual
        click.echo(f"batches of {batch_tokens} subwords: {'same' if same else 'OTHER'} labels")
    same = nerx_labels(bundle, sentences[::-1], None)[::-1] == usual
    click.echo(f"in reverse order: {'same' if same else 'OTHER'} labels")
    reference = transformers_labels(folder, sentences)
    wrong = [
        (sentence[place], expected, found)
        for sentence, row, ours in zip(sentences, reference, usual, strict=True)
        for place, (expected, found) in enumerate(zip(row, ours, strict=True))
        if expected != found
    ]
    click.echo(f"{words - len(wrong):,} of {words:,} words as transformers {wrong[:5]}")


if __name__ == "__main__":
    main()
