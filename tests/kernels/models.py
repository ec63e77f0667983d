"""Small random token classifiers of both architectures, as transformers computes them."""

import torch
from transformers import (
    AlbertConfig,
    AlbertForTokenClassification,
    BertConfig,
    BertForTokenClassification,
)

VOCABULARY, LONGEST = 90, 40
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_attention_heads": 3,
    "intermediate_size": 100,
    "max_position_embeddings": LONGEST,
    "num_labels": 5,
    "initializer_range": 0.2,  # large enough that every part shows in the outputs
}


def classifier(architecture: str, seed: int = 0, **options):
    """A seeded model in float32 whose biases and norms are random too."""
    torch.manual_seed(seed)
    if architecture == "bert":
        options = {"num_hidden_layers": 3} | options
        model = BertForTokenClassification(BertConfig(**SIZES | options))
    else:
        options = {"num_hidden_layers": 4, "num_hidden_groups": 2, "embedding_size": 16} | options
        model = AlbertForTokenClassification(AlbertConfig(**SIZES | options))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def packed(rows: list[list[int]], device="cpu") -> tuple:
    """ids, positions, begin and longest of sequences of ids."""
    lengths = [len(row) for row in rows]
    ids = [number for row in rows for number in row]
    positions = [place for length in lengths for place in range(length)]
    begin = [sum(lengths[:number]) for number in range(len(rows) + 1)]
    tensors = (torch.tensor(v, dtype=torch.int32, device=device) for v in (ids, positions, begin))
    return (*tensors, max(lengths, default=0))


def sequences(seed: int, *lengths: int) -> list[list[int]]:
    """Random ids."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(VOCABULARY, (n,), generator=random).tolist() for n in lengths]


def expected_logits(model, rows: list[list[int]]) -> torch.Tensor:
    """What transformers gives for the sequences, each run alone: (subwords, labels) float32."""
    with torch.no_grad():
        return torch.cat([model(torch.tensor([row])).logits[0] for row in rows if row])
