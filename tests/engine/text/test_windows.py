import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nerx.engine.text.windows import cut_windows

lengths_of_words = st.lists(st.lists(st.integers(1, 9), max_size=30), min_size=1, max_size=4)


@given(lengths=lengths_of_words, overlap=st.integers(0, 5), share=st.sampled_from([0, 0.1, 0.5, 1]))
def test_windows_fit_and_every_word_is_labelled_once(
    lengths: list[list[int]], overlap: int, share: float
) -> None:
    room = 10
    begin = np.cumsum([0, *(n for doc in lengths for n in doc)]).astype(np.int32)
    doc_words = np.cumsum([0, *map(len, lengths)]).astype(np.int32)
    closing = np.random.default_rng(doc_words[-1]).random(doc_words[-1]) < share
    windows = cut_windows(doc_words, begin, closing, room, overlap)
    first, end, keep_first, keep_end = windows.T
    assert (begin[end] - begin[first] <= room).all()
    assert ((first <= keep_first) & (keep_end <= end)).all()
    labelled = [word for a, b in zip(keep_first, keep_end, strict=True) for word in range(a, b)]
    assert labelled == list(range(doc_words[-1]))
    starts_of_documents = np.searchsorted(doc_words, first, side="right")
    assert (starts_of_documents == np.searchsorted(doc_words, end - 1, side="right")).all()
    fits = np.diff(begin[doc_words])
    assert len(windows) >= np.sum(fits > 0)
    if (fits <= room).all():
        assert len(windows) == np.sum(fits > 0)


def test_neighbouring_windows_share_what_was_asked() -> None:
    begin = np.arange(101, dtype=np.int32)  # a hundred words of one subword
    nothing_ends = np.zeros(100, bool)
    windows = cut_windows(np.array([0, 100], np.int32), begin, nothing_ends, 40, 10)
    assert windows[:, :2].tolist() == [[0, 40], [30, 70], [60, 100]]
    assert windows[:, 2:].tolist() == [[0, 35], [35, 65], [65, 100]]


def test_no_word_is_read_twice_where_sentences_end() -> None:
    begin = np.arange(101, dtype=np.int32)
    closing = np.arange(100) % 7 == 6  # sentences of seven words
    windows = cut_windows(np.array([0, 100], np.int32), begin, closing, 40, 10)
    assert windows[:, :2].tolist() == [[0, 35], [35, 70], [70, 100]]
    assert (windows[:, :2] == windows[:, 2:]).all()
