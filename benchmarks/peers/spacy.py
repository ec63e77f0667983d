"""spaCy with a transformer, by `spacy-huggingface-pipelines`."""

from importlib.metadata import version
from typing import Any

from ..driver import Driver, Task
from ..labels import Span
from .checkpoint import checkpoint_of
from .pipelines import Documents, PeerDriver


def open_driver(task: Task) -> Driver:
    """A blank language with the component `hf_token_pipe`, given words that are cut already."""
    import spacy
    from spacy.tokens import Doc

    language = spacy.blank("en")
    model = checkpoint_of(task.model)
    config = {"model": model, "aggregation_strategy": "first", "annotate": "ents"}
    pipeline: Any = language.add_pipe("hf_token_pipe", config=config).hf_pipeline

    def label(documents: Documents, batch_size: int) -> list[Any]:
        pipeline._batch_size = batch_size  # what the component's option `kwargs` sets
        return list(language.pipe(Doc(language.vocab, words=words) for words in documents))

    def spans_of(document: Any) -> list[Span]:
        return [(span.start_char, span.end_char, span.label_) for span in document.ents]

    packages = {"version": "spacy-huggingface-pipelines", "spacy": "spacy"}
    facts = {name: version(package) for name, package in packages.items()} | {"device": "cpu"}
    return PeerDriver(pipeline.model, label, spans_of, facts)
