"""What the engine asks of a runtime."""

from typing import Protocol

from ..types import Batch, BatchLabels


class Backend(Protocol):
    """A loaded model on one device; `run` may be called from `streams` threads at once."""

    name: str  # as `--backend` names it
    precision: str  # of the weights, and of the computing where that differs: "int8 in fp32"
    device: str
    streams: int  # batches worth running at the same time
    batch_tokens: int  # subwords a batch that suit the device, with padding unless it packs
    pools: bool  # whether it can pool a word's subwords itself
    packs: bool  # whether it leaves padding out

    def run(self, batch: Batch) -> BatchLabels:
        """Labels the positions of a batch.

        Raises:
            BackendError: the runtime failed; the message holds its own words.
        """
        ...
