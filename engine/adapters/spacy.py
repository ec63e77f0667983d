"""nerx at home in spaCy: a component that finds entities, and a tokenizer that parts words.

spaCy finds both by their entry points: `nlp.add_pipe("nerx")`, and in a configuration
`@tokenizers = "nerx.Tokenizer.v1"`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import get_words_and_spaces, minibatch, registry
from spacy.vocab import Vocab

from ..config import LabelConfig
from ..errors import ConfigError
from ..tagger import Tagger

_DEFAULTS = {
    "model": "en",
    "backend": "auto",
    "precision": "auto",
    "device": "auto",
    "decode": "viterbi",
    "min_score": 0.0,
}


@Language.factory(  # type: ignore[untyped-decorator]
    "nerx",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config=_DEFAULTS,
)
def make_component(
    nlp: Language,
    name: str,
    model: str,
    backend: str,
    precision: str,
    device: str,
    decode: str,
    min_score: float,
) -> "EntityComponent":
    """The component that `nlp.add_pipe("nerx", config={"model": "en"})` adds."""
    options = {"backend": backend, "precision": precision, "device": device}
    return EntityComponent(model=model, decode=decode, min_score=min_score, **options)


class EntityComponent:
    """Sets `doc.ents` to what a model finds in spaCy's tokens, and `_.score` of each entity.

    The model is loaded at the first document, so that a pipeline can be pickled and given to the
    processes of `nlp.pipe(n_process=...)`.

    Raises:
        ConfigError: at the first document, if the model parts words and finds no entities.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        if not Span.has_extension("score"):
            Span.set_extension("score", default=None)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(EntityComponent, **self._options), ()

    def __call__(self, doc: Doc) -> Doc:
        [doc] = self.pipe([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 1000) -> Iterator[Doc]:
        """Sets the entities of documents, a batch at a time, in order."""
        for docs in minibatch(stream, batch_size):
            # spaCy has tokens of white space; models were never given any
            words = [[token for token in doc if not token.is_space] for doc in docs]
            labelled = self._tagger.pipe(
                ([token.text for token in row] for row in words), is_split_into_words=True
            )
            for doc, row, found in zip(docs, words, labelled, strict=True):
                if "entities" not in found:
                    raise ConfigError(
                        f"{self._options['model']} finds words, no entities; use it as tokenizer, "
                        "nerx.Tokenizer.v1"
                    )
                _set_entities(doc, [token.i for token in row], found["entities"])
                yield doc

    @cached_property
    def _tagger(self) -> Tagger:
        options = dict(self._options)
        config = LabelConfig(decode=options.pop("decode"), min_score=options.pop("min_score"))
        return Tagger(**options, config=config)


def _set_entities(doc: Doc, places: list[int], entities: list[dict[str, Any]]) -> None:
    spans = []
    for entity in entities:
        first, last = places[entity["start"]], places[entity["end"] - 1]
        span = Span(doc, first, last + 1, label=entity["entity_group"])
        span._.score = entity["score"]
        spans.append(span)
    doc.set_ents(spans)


@registry.tokenizers("nerx.Tokenizer.v1")  # type: ignore[untyped-decorator]
def make_tokenizer(
    model: str = "zh", backend: str = "auto", precision: str = "auto", device: str = "auto"
) -> Callable[[Language], "WordTokenizer"]:
    """The tokenizer that a configuration names."""
    return lambda nlp: WordTokenizer(
        nlp.vocab, model=model, backend=backend, precision=precision, device=device
    )


class WordTokenizer:
    """Parts text into the words that a segmentation model finds."""

    def __init__(self, vocab: Vocab, **options: Any) -> None:
        self._vocab = vocab
        self._options = options

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(WordTokenizer, self._vocab, **self._options), ()

    def __call__(self, text: str) -> Doc:
        words, spaces = get_words_and_spaces(self._tagger(text)["words"], text)
        return Doc(self._vocab, words=words, spaces=spaces)

    @cached_property
    def _tagger(self) -> Tagger:
        return Tagger(**self._options)
