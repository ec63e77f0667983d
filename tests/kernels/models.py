"""Small random token classifiers of every architecture, as transformers computes them."""

import warnings

import torch
from transformers import AutoConfig, AutoModelForTokenClassification

VOCABULARY, LONGEST = 90, 40
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_attention_heads": 3,
    "intermediate_size": 100,
    "max_position_embeddings": LONGEST,
    "num_labels": 5,
    "initializer_range": 0.2,  # large enough that every part shows in the outputs
    "num_hidden_layers": 3,
}
OWN = {
    "bert": {},
    "albert": {"num_hidden_layers": 4, "num_hidden_groups": 2, "embedding_size": 16},
    "roberta": {"pad_token_id": 1, "max_position_embeddings": LONGEST + 2, "type_vocab_size": 1},
    "xlm-roberta": {"pad_token_id": 3, "max_position_embeddings": LONGEST + 4},
    "camembert": {"pad_token_id": 1, "max_position_embeddings": LONGEST + 2},
    "distilbert": {"sinusoidal_pos_embds": True},
    "electra": {"embedding_size": 16},
    "modernbert": {  # global layers and local ones, of three subwords to either side
        "num_hidden_layers": 4,
        "global_attn_every_n_layers": 2,
        "local_attention": 6,
        "global_rope_theta": 300.0,
        "local_rope_theta": 20.0,
        "pad_token_id": 0,
    },
}
ARCHITECTURES = tuple(OWN)
_DISTILBERT = {  # how its configuration calls what others call so
    "hidden_size": "dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
}


def classifier(architecture: str, seed: int = 0, **options):
    """A seeded model in float32 whose biases and norms are random too."""
    torch.manual_seed(seed)
    options = SIZES | OWN[architecture] | options
    if architecture == "distilbert":
        options = {_DISTILBERT.get(name, name): value for name, value in options.items()}
    config = AutoConfig.for_model(architecture, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what ModernBERT's module imports
        model = AutoModelForTokenClassification.from_config(config)
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
    """Random ids; the first ones, of which one stands for padding, are left out."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(4, VOCABULARY, (n,), generator=random).tolist() for n in lengths]


def expected_logits(model, rows: list[list[int]]) -> torch.Tensor:
    """What transformers gives for the sequences, each run alone: (subwords, labels) float32."""
    with torch.no_grad():
        return torch.cat([model(torch.tensor([row])).logits[0] for row in rows if row])
