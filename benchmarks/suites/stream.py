"""The streaming engine: its own rate, what it adds to a model, time and memory by size.

    python -m nerx.benchmarks.suites.stream [-m en] [--text FILE]... [--minutes N]

Systems take turns as in `nerx bench`: `pipeline` is nerx without a model, in a thread and with two
worker processes, on sentences of 20 words that come by their frequency in the texts; `alone` is the
model without nerx, and what ratios are to; `repeats` is nerx where three sentences in ten have been
there before. On a machine that is busy with other things, `words_per_cpu_s` still holds. The result
goes to benchmarks/results/stream.json.
"""

import click
import numpy as np

from ...engine.bundle import Bundle
from ...export.sample import Sample, read_sample
from ..command import progress, run_bench
from ..driver import Task
from ..places import RESULTS, TEXTS
from ..report import report, report_scaling
from ..rows import write_results
from ..scaling import scale
from ..systems import System, own_systems

_SENTENCES, _SENTENCE_WORDS = 3000, 20


@click.command()
@click.option("-m", "--model", default="en", show_default=True)
@click.option("--text", "texts", multiple=True, type=click.Path(exists=True))
@click.option("--minutes", default=4.0, show_default=True, help="Half of it for the sizes.")
def main(model: str, texts: tuple[str, ...], minutes: float) -> None:
    """Measures everything and writes it."""
    bundle = Bundle.load(model)
    files = texts or tuple(map(str, sorted(TEXTS.glob("*_en.txt"))))
    if not files:
        raise click.UsageError(f"{TEXTS} holds no *_en.txt; name a text with --text")
    sample, say, seconds = drawn_sentences(files), progress(), minutes * 60 / 2
    [own, *_] = own_systems([bundle], sample.joint, "auto", "auto", 0)
    alone = System("alone", "nerx.benchmarks.peers.alone:open_driver", own.task)
    repeats = System("repeats", "nerx.benchmarks.peers.repeats:open_driver", own.task)
    without_model = [
        System(
            "pipeline",
            "nerx.benchmarks.peers.hashed:open_driver",
            Task(model=str(bundle.folder), joint=" ", precision="hash", workers=workers),
        )
        for workers in (0, 2)
    ]
    results = run_bench([bundle], [own], [alone, repeats, *without_model], sample, seconds, say)
    results["scaling"] = scale(without_model[0], sample, seconds, say)
    say("")
    click.echo(report(results, []) + "\n\n" + report_scaling(results["scaling"], "pipeline"))
    write_results(RESULTS / "stream.json", results)


def drawn_sentences(texts: tuple[str, ...]) -> Sample:
    """Sentences of the words of texts, each as often as it is there."""
    words = [word for text in texts for row in read_sample(text, "words").words for word in row]
    drawn = np.random.default_rng(0).choice(np.array(words), (_SENTENCES, _SENTENCE_WORDS))
    return Sample(drawn.tolist(), None, "drawn words")


if __name__ == "__main__":
    main()
