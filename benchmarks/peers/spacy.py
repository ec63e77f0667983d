"""spaCy with a transformer, by `spacy-huggingface-pipelines`."""

from importlib.metadata import version
from typing import Any

from ..driver import Driver, Task
from ..labels import Span
from .checkpoint import checkpoint_of
from .pipelines import count_rows


def open_driver(task: Task) -> Driver:
    """Loads a checkpoint as the component `hf_token_pipe`."""
    return SpacyDriver(task)


class SpacyDriver:
    """A blank language with one component, given documents whose words are cut already."""

    def __init__(self, task: Task) -> None:
        import spacy

        self._language = spacy.blank("en")
        component: Any = self._language.add_pipe(
            "hf_token_pipe",
            config={
                "model": checkpoint_of(task.model),
                "aggregation_strategy": "first",
                "annotate": "ents",
            },
        )
        self._pipeline = component.hf_pipeline
        self._counts = count_rows(self._pipeline.model)
        self._words: list[list[str]] = []
        self._found: list[Any] = []
        self.facts = {
            "version": version("spacy-huggingface-pipelines"),
            "spacy": version("spacy"),
            "device": "cpu",
        }

    def prepare(self, documents: list[list[str]], copies: int) -> None:
        self._words = documents * copies

    def run(self, batch_size: int) -> None:
        from spacy.tokens import Doc

        self._counts.subwords = self._counts.positions = 0
        self._pipeline._batch_size = batch_size  # what the component's option `kwargs` sets
        documents = (Doc(self._language.vocab, words=words) for words in self._words)
        self._found = list(self._language.pipe(documents))

    def report(self) -> dict[str, Any]:
        return {"subwords": self._counts.subwords, "positions": self._counts.positions}

    def spans(self, documents: int) -> list[list[Span]]:
        return [
            [(span.start_char, span.end_char, span.label_) for span in document.ents]
            for document in self._found[:documents]
        ]
