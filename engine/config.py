"""How documents are to be labelled: one object, checked once, handed down whole."""

from dataclasses import dataclass

from nerx.engine.errors import ConfigError
from nerx.engine.schemes import Scheme

AGGREGATIONS = ("first", "mean", "max")
DECODERS = ("viterbi", "argmax")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """Options that change labels, and the batch size, which does not.

    aggregation: what makes a word's label: its first subword, or the mean or the maximum of its
        subwords' probabilities.
    decode: "viterbi" gives the best label sequence without an illegal step, "argmax" the best
        label of each word.
    min_score: spans with a lower mean word score are dropped.
    overlap: subwords that neighbouring windows of a long document share, half a window at most.
    batch_tokens: padded subwords a batch; None for what suits the device.
    """

    aggregation: str = "first"
    decode: str = "viterbi"
    min_score: float = 0.0
    overlap: int = 64
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        _one_of("aggregation", self.aggregation, AGGREGATIONS)
        _one_of("decode", self.decode, DECODERS)
        if not 0.0 <= self.min_score <= 1.0:
            raise ConfigError(f"min_score is {self.min_score}; expected a number from 0 to 1")
        if self.overlap < 0:
            raise ConfigError(f"overlap is {self.overlap}; expected 0 or more subwords")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise ConfigError(f"batch_tokens is {self.batch_tokens}; expected 1 or more")

    def check_scheme(self, scheme: Scheme) -> None:
        """Refuses what a model of that label scheme cannot do.

        Raises:
            ConfigError: a least score in word segmentation.
        """
        if self.min_score and scheme.segmentation:
            raise ConfigError("min_score cannot be used in word segmentation: every word counts")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(known)}")
