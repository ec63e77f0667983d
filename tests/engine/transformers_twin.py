"""The pipeline of transformers around the tiny bundle's model, to compare with."""

import warnings

import numpy as np
import pytest
from tokenizers import Tokenizer

from ..tiny_bundle import NER, subword_scores

torch = pytest.importorskip("torch", reason="needs torch, which transformers runs on")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="needs transformers to compare with")

SPECIALS = {
    "wordpiece": {"unk_token": "[UNK]", "pad_token": "[PAD]"},
    "unigram": {"unk_token": "<unk>", "pad_token": "<pad>"},
    "byte_level": {"unk_token": "<unk>", "pad_token": "<pad>"},
}


class _Table(transformers.PreTrainedModel):
    """The tiny bundle's model in torch."""

    config_class = transformers.PretrainedConfig

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__(transformers.PretrainedConfig(id2label=dict(enumerate(NER))))
        self.scores = torch.nn.Parameter(torch.tensor(scores), requires_grad=False)

    def forward(self, input_ids, **_):
        return {"logits": self.scores[input_ids]}


def transformers_pipeline(kind: str, tokenizer: Tokenizer, max_length: int = 64, **options):
    """A pipeline for a tokenizer of a kind; the options are those of its tokenizer."""
    return transformers.TokenClassificationPipeline(
        model=_Table(subword_scores(tokenizer.get_vocab_size(), len(NER))),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            model_max_length=max_length,
            model_input_names=["input_ids", "attention_mask"],
            **SPECIALS[kind],
            **options,
        ),
        device=-1,
    )
