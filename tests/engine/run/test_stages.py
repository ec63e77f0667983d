"""What a worker does to a block, and what it gives the process that owns the model."""

import pickle

from nerx.engine.types import Block

from .test_stream import ENCODER, STAGES, TEXTS


def test_where_words_stand_does_not_cross_to_the_model() -> None:
    block = Block(b"".join(TEXTS), 1, 0)
    opened = STAGES.open(0, "text", block)
    whole = ENCODER.encode(STAGES._open.pop(0).good)
    saved = len(pickle.dumps(whole)) - len(pickle.dumps(opened))
    assert saved >= 2 * 4 * whole.words  # two int32 a word
    assert opened.words == whole.words
