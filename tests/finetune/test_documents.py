"""Sentences joined to windows of documents, in any case."""

from collections import Counter

from nerx.finetune.data import Corpus
from nerx.finetune.documents import as_documents


def corpus_of(documents: int, sentences: int) -> Corpus:
    """Words that say where they stand; labels are their numbers."""
    corpus, number = Corpus.empty(), 0
    parts = []
    for document in range(documents):
        part = []
        for sentence in range(sentences):
            words = [f"Doc{document}s{sentence}w{word}" for word in range(5)] + ["."]
            part.append((words, [*range(number, number + 6)]))
            number += 6
        parts.append(part)
    corpus.add("text", parts)
    return corpus


def test_each_view_holds_every_word_once_with_its_own_label():
    corpus = corpus_of(30, 40)
    views = as_documents(corpus, 3, seed=1)
    flat = [word for words in corpus.words for word in words]
    seen = Counter()
    for words, labels in zip(views.words, views.labels, strict=True):
        for word, label in zip(words, labels, strict=True):
            assert word.lower() == flat[label].lower()
            seen[label] += 1
    assert all(seen[label] == 3 for label, word in enumerate(flat) if word != ".")
    stops = [seen[label] for label, word in enumerate(flat) if word == "."]
    assert 0 < sum(3 - kept for kept in stops) < len(stops)  # some windows lose theirs


def test_no_window_crosses_a_document_and_lengths_go_from_sentences_to_documents():
    views = as_documents(corpus_of(30, 40), 2, seed=1)
    for words in views.words:
        assert len({word.lower().partition("s")[0] for word in words if word != "."}) == 1
    lengths = sorted(map(len, views.words))
    assert lengths[0] <= 6
    assert lengths[-1] >= 200


def test_some_windows_are_in_lower_case_and_some_in_capitals():
    views = as_documents(corpus_of(30, 40), 2, seed=1)
    cased = [words[0] for words in views.words]
    assert 0.1 < sum(word.islower() for word in cased) / len(cased) < 0.35
    assert 0.1 < sum(word.isupper() for word in cased) / len(cased) < 0.35
    again = as_documents(corpus_of(30, 40), 2, seed=1)
    assert views.words == again.words
    assert views.words != as_documents(corpus_of(30, 40), 2, seed=2).words
