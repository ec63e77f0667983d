"""The packed encoder gives what transformers gives for each sequence alone."""

import pytest
import torch

pytest.importorskip("transformers")

from nerx.kernels.architectures import Encoder, config_from_hugging_face, make_encoder

from .models import ARCHITECTURES, LONGEST, classifier, expected_logits, packed, sequences


def encoder_of(model, **place) -> Encoder:
    config = config_from_hugging_face(model.config.to_dict())
    return make_encoder(config, model.state_dict(), **place)


def logits_of(encoder, rows) -> torch.Tensor:
    with torch.inference_mode():
        hidden = encoder(*packed(rows, encoder.device))
        return torch.nn.functional.linear(hidden, *encoder.classifier).float().cpu()


ACTS = [(name, act) for name in ARCHITECTURES for act in ("gelu", "gelu_new")]
ACTS.remove(("modernbert", "gelu_new"))


@pytest.mark.parametrize(("architecture", "act"), ACTS)
def test_references_equal_transformers(architecture, act):
    model = classifier(architecture, hidden_act=act)
    rows = sequences(1, LONGEST, 17, 17, 9, 2, 1)
    logits = logits_of(encoder_of(model), rows)
    torch.testing.assert_close(logits, expected_logits(model, rows), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_equal_transformers(architecture, device):
    model = classifier(architecture)
    rows = sequences(2, 9, 4, 4, 1)  # longer and shorter than ModernBERT's window
    logits = logits_of(encoder_of(model, device=device), rows)
    torch.testing.assert_close(logits, expected_logits(model, rows), atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_no_worse_than_that_of_transformers(architecture, half):
    model = classifier(architecture)
    rows = sequences(3, *[20] * 12, 7, 1)
    truth = expected_logits(model, rows)
    encoder = encoder_of(model, dtype=half)
    naive = expected_logits(model.to(half), rows).float()
    assert (logits_of(encoder, rows) - truth).norm() <= 1.1 * (naive - truth).norm()


def test_what_else_is_in_the_batch_does_not_matter():
    encoder = encoder_of(classifier("bert"))
    rows = sequences(4, 12, 5, 5)
    alone = torch.cat([logits_of(encoder, [row]) for row in rows])
    torch.testing.assert_close(logits_of(encoder, rows), alone, atol=1e-5, rtol=1e-5)


def test_an_empty_batch_and_a_single_subword():
    encoder = encoder_of(classifier("albert"))
    assert encoder(*packed([])).shape == (0, encoder.width)
    assert encoder(*packed([[7]])).shape == (1, encoder.width)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; expected albert, bert, camembert"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'; expected gelu"),
        ({"position_embedding_type": "relative_key"}, "expected absolute"),
        ({"is_decoder": True}, "expected a plain encoder"),
    ],
)
def test_other_models_are_refused(changed, message):
    config = classifier("bert").config.to_dict() | changed
    with pytest.raises(ValueError, match=message):
        config_from_hugging_face(config)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden_activation": "silu"}, "hidden_activation is 'silu'; expected gelu"),
        ({"norm_bias": True}, "norm_bias is true; expected a ModernBERT without biases"),
        ({"layer_types": ["full_attention"]}, r"layer_types are \['full_attention'\]; expected"),
        ({"rope_scaling": {"rope_type": "yarn"}}, r"positions are scaled \(yarn\)"),
    ],
)
def test_other_kinds_of_modernbert_are_refused(changed, message):
    config = classifier("modernbert").config.to_dict() | changed
    with pytest.raises(ValueError, match=message):
        config_from_hugging_face(config)


def test_keys_of_transformers_5_say_what_those_of_4_say():
    names = ("layer_types", "rope_parameters", "global_attn_every_n_layers")
    names += ("global_rope_theta", "local_rope_theta")
    held = classifier("modernbert").config.to_dict()
    both = {name: value for name, value in held.items() if name not in names}
    old = dict(zip(names[2:], (2, 300.0, None), strict=True))  # None: as in global layers
    kinds = ["full_attention", "sliding_attention"] * 2
    rope = {"rope_type": "default", "rope_theta": 300.0}
    new = {"layer_types": kinds, "rope_parameters": dict.fromkeys(kinds, rope)}
    assert config_from_hugging_face(both | new) == config_from_hugging_face(both | old)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("bert", "bert.encoder.layer.1.output.dense.bias"),
        ("modernbert", "model.layers.1.mlp.Wo.weight"),
    ],
)
def test_a_missing_weight_is_named(architecture, name):
    model = classifier(architecture)
    weights = model.state_dict()
    del weights[name]
    with pytest.raises(ValueError, match=f"no weight {name}"):
        make_encoder(config_from_hugging_face(model.config.to_dict()), weights)
