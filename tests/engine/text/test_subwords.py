import random
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import Tokenizer

from nerx.engine.text import subwords
from nerx.engine.text.encoding import Encoder
from nerx.engine.types import EncodedBlock, Record

from ..tokenizers_for_tests import SIGNS, wordpiece


def encoder(unit: str = "words", max_length: int = 512, tokenizer: Tokenizer = None) -> Encoder:
    return Encoder(tokenizer or wordpiece(), unit=unit, max_length=max_length, overlap=0, pad_id=0)


def encode(encoder: Encoder, *texts: str) -> EncodedBlock:
    return encoder.encode([Record(b"", 1, 0, text=text) for text in texts])


def texts_of_rare_words(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join("".join(draw.choices(SIGNS, k=draw.randint(1, 6))) for _ in range(30))
        for _ in range(count)
    ]


def subwords_of(block: EncodedBlock) -> tuple[list[int], list[int]]:
    return block.subword_ids.tolist(), block.word_subwords.tolist()


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_threads_that_share_an_encoder_get_what_one_gets(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subwords, "_CACHE_BYTES", 50_000)  # forgets as they work
    texts = texts_of_rare_words(200)
    alone = [subwords_of(encode(encoder(unit), text)) for text in texts]
    shared = encoder(unit)
    with ThreadPoolExecutor(16) as threads:
        for _ in range(3):
            assert [*threads.map(lambda text: subwords_of(encode(shared, text)), texts)] == alone


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_what_the_cache_has_forgotten_comes_back_the_same(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = texts_of_rare_words(40)
    fresh = [subwords_of(encode(encoder(unit), text)) for text in texts]
    monkeypatch.setattr(subwords, "_CACHE_BYTES", 2_000)
    bounded = encoder(unit)
    assert [subwords_of(encode(bounded, text)) for text in texts] == fresh


def test_the_cache_is_bounded_in_bytes_whatever_the_words_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subwords, "_CACHE_BYTES", 200_000)
    small = encoder(max_length=130)
    encode(small, "warm up")
    tracemalloc.start()
    try:
        for number in range(8):  # 4 MB of long words, no two of them alike
            encode(small, " ".join(f"{number}x{k}" + "x" * 2000 for k in range(250)))
        encode(small, "the end")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 400_000


class CutShortError(Exception):
    pass


class Fragile:
    """A tokenizer that fails when it is told to."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.broken = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._tokenizer, name)

    def encode_batch_fast(self, *args: object, **options: object) -> object:
        if self.broken:
            raise CutShortError
        return self._tokenizer.encode_batch_fast(*args, **options)


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_an_interrupted_call_leaves_the_next_ones_right(unit: str) -> None:
    tokenizer = Fragile(wordpiece())
    shaken = encoder(unit, tokenizer=tokenizer)
    encode(shaken, "paris")
    tokenizer.broken = True
    with pytest.raises(CutShortError):
        encode(shaken, "berlin x")
    tokenizer.broken = False
    for text in ("b x paris", "berlin"):
        assert subwords_of(encode(shaken, text)) == subwords_of(encode(encoder(unit), text))


def test_of_an_endless_word_only_what_the_model_can_take_is_read() -> None:
    word = "9" + "x." * 500_000  # every sign of it is a subword
    encoder_of_words = encoder()
    began = time.perf_counter()
    block = encoder_of_words.encode([Record(b"", 1, 0, tokens=[word])])
    assert time.perf_counter() - began < 0.2  # to tokenize all of it takes a second and more
    whole = wordpiece().encode([word[:2000]], is_pretokenized=True, add_special_tokens=False)
    assert block.subword_ids.tolist() == whole.ids[:510]
    np.testing.assert_array_equal(block.windows, [[0, 1, 0, 1]])
