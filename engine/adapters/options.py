"""Options of the pipeline, named as transformers names them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError

STRATEGIES = ("none", "simple", "first", "average", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineOptions:
    """Options of a pipeline, or of one call of it.

    aggregation_strategy: one of `STRATEGIES`
    ignore_labels: entities with these labels are left out
    stride: subwords that neighbouring windows of a long text share; without, a long text is cut off
    is_split_into_words: an input is a list of words, which `delimiter` joins to a text
    offset_mapping: where the subwords of the text stand, if not where the tokenizer says
    batch_size, num_workers: taken, and of no effect; nerx fills batches by itself
    """

    aggregation_strategy: str = "none"
    ignore_labels: Sequence[str] = ("O",)
    stride: int | None = None
    is_split_into_words: bool = False
    delimiter: str = " "
    offset_mapping: list[Any] | None = None
    batch_size: int | None = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.aggregation_strategy not in STRATEGIES:
            raise ConfigError(
                f"aggregation_strategy is {self.aggregation_strategy!r}; expected one of "
                f"{', '.join(STRATEGIES)}"
            )
        if self.stride is not None and self.aggregation_strategy == "none":
            raise ConfigError('stride needs an aggregation_strategy other than "none"')


def override(defaults: PipelineOptions, given: dict[str, Any]) -> PipelineOptions:
    """The options with those that are given in place of the defaults.

    Raises:
        ConfigError: there is no such option, or it has no such value.
    """
    if unknown := given.keys() - PipelineOptions.__slots__:
        raise ConfigError(
            f"unknown option {', '.join(sorted(unknown))}; expected one of "
            f"{', '.join(PipelineOptions.__slots__)}"
        )
    given = {name: value for name, value in given.items() if value is not None}
    if "aggregation_strategy" in given:  # transformers has an enum of them
        strategy = given["aggregation_strategy"]
        given["aggregation_strategy"] = str(getattr(strategy, "value", strategy)).lower()
    return replace(defaults, **given)
