"""What is to be labelled and how: two objects, checked once, handed down whole."""

import os
from dataclasses import dataclass, field

from .errors import ConfigError

AGGREGATIONS = ("first", "mean", "max")
DECODERS = ("viterbi", "argmax")
REDACTIONS = ("label", "hash", "blank")
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """Options that change labels, and the batch size, which does not.

    aggregation: what makes a word's label: its first subword, or the mean or the maximum of its
        subwords' probabilities.
    decode: "viterbi" gives the best label sequence without an illegal step, "argmax" the best
        label of each word.
    min_score: spans with a lower mean word score are dropped.
    overlap: subwords that neighbouring windows of a long document share where no sentence ends
        between them, half a window at most.
    batch_tokens: subwords a batch with their padding; None for what suits the device.
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

    def check_segmentation(self) -> None:
        """Refuses what a model that parts text into words cannot do.

        Raises:
            ConfigError: a least score.
        """
        if self.min_score:
            raise ConfigError("min_score cannot be used in word segmentation: every word counts")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What some output formats need to know.

    text_key, tokens_key: JSONL keys of the document that was read
    redact: what stands in a name's place: its type ("label"), also a pseudonym made with a key
        ("hash"), or as many characters ("blank"); None for "label"
    redact_key: for "hash", secret; whoever has it can try names out
    colour: of text for people
    """

    text_key: str | None = None
    tokens_key: str | None = None
    redact: str | None = None
    redact_key: bytes = field(default=b"", repr=False)
    colour: bool = False

    def __post_init__(self) -> None:
        _one_of("redact", self.redact or "label", REDACTIONS)
        if self.redact == "hash" and len(self.redact_key) < _KEY_BYTES:
            raise ConfigError(
                f"--redact hash needs --redact-key FILE with {_KEY_BYTES} secret bytes at least, "
                "such as `head -c 32 /dev/urandom >FILE` makes"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig(WriteOptions):
    """What is read and written, and how: options of output formats, and all others.

    inputs: paths, or "-" for stdin
    output: a path, or "-" for stdout
    output_dir: instead of `output`, a folder that gets an output for each input
    format, to, token_column: as `formats.registry` takes them
    on_error: "fail" at the first bad record, or "skip" it into the file `rejects`
    max_errors: bad records that are borne, None for any number
    stats: a file for `Run.stats`
    force: overwrite the outputs
    resume: go on where an interrupted run with the same output stopped
    limit: records to read at most, None for all
    workers: processes that parse and render, 0 for a thread; None for as many as are of use
    block_bytes: of input a block; None for what suits the device
    columns: of a table, with commas between, that its output has too; None for all
    shard: number, from 0, and count of the shards of a larger job; their outputs are named by it
    cut: whether a shard is a part of each input, not some of the inputs
    """

    inputs: tuple[str, ...]
    output: str = "-"
    output_dir: str | None = None
    format: str | None = None
    to: str | None = None
    token_column: int | None = None
    on_error: str = "fail"
    rejects: str | None = None
    max_errors: int | None = None
    stats: str | None = None
    force: bool = False
    resume: bool = False
    limit: int | None = None
    workers: int | None = 0
    block_bytes: int | None = None
    columns: str | None = None
    shard: tuple[int, int] | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        for name in ("output", "output_dir", "rejects", "stats"):
            if getattr(self, name) == "":
                raise ConfigError(f'--{name.replace("_", "-")} is ""; expected the name of a file')
        if (self.redact or self.redact_key) and self.to != "redacted":
            raise ConfigError("--redact and --redact-key need --to redacted")
        if self.redact_key and self.redact != "hash":
            raise ConfigError("--redact-key needs --redact hash")
        if self.on_error == "skip" and self.rejects is None:
            raise ConfigError("--on-error skip needs --rejects FILE, so that no record is lost")
        if self.on_error == "fail" and (self.rejects or self.max_errors is not None):
            raise ConfigError("--rejects and --max-errors need --on-error skip")
        if self.output_dir is not None and self.output != "-":
            raise ConfigError("--output is one file, --output-dir one for each input; give one")
        if self.output_dir is not None and "-" in self.inputs:
            raise ConfigError("--output-dir needs files for input; for stdin name an --output")
        if self.resume and self.output_dir is None and self.output == "-":
            raise ConfigError("--resume needs an --output file, not a pipe")
        if self.resume and not self.inputs_are_files:
            raise ConfigError("--resume needs files for input, not a pipe")
        if self.resume and self.force:
            raise ConfigError("--resume goes on with a run, --force starts it anew; give one")
        WriteOptions.__post_init__(self)  # `super()` does not know a class that slots made anew

    @property
    def inputs_are_files(self) -> bool:
        """Whether all can be read again, as a resumed run must."""
        return all("://" in path or os.path.isfile(path) for path in self.inputs)

    @property
    def shard_name(self) -> str:
        """What the names of a shard's files have more, such as `.3-of-8`."""
        return f".{self.shard[0] + 1}-of-{self.shard[1]}" if self.shard else ""


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(known)}")
