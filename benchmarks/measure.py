"""The measurement: every system in a process of its own, pass by pass in turn.

What slows the machine for a while so hits all of them, and ratios are taken within a round.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..export.sample import Sample
from .driver import SystemFailedError
from .labels import Tags, tags_of_spans
from .process import SystemProcess
from .systems import System

ROUNDS, MIN_ROUNDS = 5, 3
MIN_PASS_S = 2.0  # a fast system labels the sample several times a pass
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_FIRST_DOCUMENTS = 16  # tell how many more a trial can have
_TRIAL_DOCUMENTS = 256
_TRIAL_S = 1.5  # of a batch size
_MIN_DOCUMENTS = 64
_SEARCH_SHARE = 0.5  # of the time, at most, for all batch sizes of all peers
_WORTH_IT = 0.97  # a batch size this much worse than the best so far is on the way down


@dataclass(slots=True)
class Result:
    """What was measured of a system."""

    system: System
    words: int = 0  # of a pass
    passes: list[dict[str, Any]] = field(default_factory=list)
    batch_size: int = 0
    tried: dict[int, float] = field(default_factory=dict)  # batch size -> words/s
    load_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    tags: Tags = field(default_factory=list)
    error: str | None = None

    def rates(self) -> list[float]:
        """Words a second of each round; a system that makes its own text says how many it had."""
        return [one.get("words", self.words) / one["seconds"] for one in self.passes]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results in the order of the systems, and the documents that they are of.

    own_share: CPU time of this process in the rounds, which it takes from a core of the systems'
    """

    results: list[Result]
    limits: dict[str, Result]  # by precision
    sample: Sample
    own_share: float


def measure(
    systems: Sequence[System],
    limits: dict[str, System],
    sample: Sample,
    budget_s: float,
    say: Callable[[str], None],
    pass_s: float | None = None,
) -> Measurement:
    """Measures systems side by side; one that fails is left out, with its reason.

    budget_s: about how long it may take, all told
    pass_s: how long a fast system labels the sample in a round
    """
    started, pass_s = time.monotonic(), pass_s or MIN_PASS_S
    with ExitStack() as stack:
        running = [_Running(system, stack, say) for system in systems]
        bounds = {kind: _Running(system, stack, say) for kind, system in limits.items()}
        searching = sum(system.searches for system in systems)
        for one in running:
            one.find_batch_size(sample, budget_s * _SEARCH_SHARE / max(searching, 1))
        left_s = max(budget_s - (time.monotonic() - started), budget_s / 2)
        part = sample.head(_documents(sample, running, left_s, pass_s))
        for one in running:
            one.take(part, pass_s)
        wall_s, own_s = time.monotonic(), time.process_time()
        for number in range(ROUNDS):
            if number >= MIN_ROUNDS and time.monotonic() - started > budget_s:
                break
            say(f"round {number + 1} of {ROUNDS}: {len(part.words):,} documents")
            for one in (*bounds.values(), *running):
                one.pass_once()
        own_share = (time.process_time() - own_s) / (time.monotonic() - wall_s)
        for one in running:
            one.fetch_tags(part)
        found = {kind: one.result for kind, one in bounds.items()}
        return Measurement([one.result for one in running], found, part, own_share)


class _Running:
    """A system's process and what is known of it so far; one that failed is asked no more."""

    def __init__(self, system: System, stack: ExitStack, say: Callable[[str], None]) -> None:
        self.result = Result(system)
        self.words_per_s = 0.0  # a first estimate
        self._say = say
        self._process: SystemProcess | None = None
        say(f"opening {system.title}")
        with self._failure():
            self._process = stack.enter_context(SystemProcess(system.opens, system.task))
            self.result.load_s, self.result.facts = self._process.load_s, self._process.facts

    def find_batch_size(self, sample: Sample, budget_s: float) -> None:
        """Finds the best batch size where there is one to be found, and a first estimate."""
        ends = time.monotonic() + budget_s
        few = sample.head(_FIRST_DOCUMENTS)
        self.words_per_s = self._trial(few, BATCH_SIZES[2])
        count = round(self.words_per_s * _TRIAL_S * len(few.words) / few.word_count)
        documents = sample.head(min(max(count, _FIRST_DOCUMENTS), _TRIAL_DOCUMENTS))
        if not self.result.system.searches:
            find = self._trial_beside_start if self.result.system.task.workers else self._trial
            self.words_per_s = find(documents)
            return
        self.words_per_s = 0.0
        worse = 0
        for size in BATCH_SIZES:
            rate = self.result.tried[size] = self._trial(documents, size)
            self._say(f"{self.result.system.title}: {rate:,.0f} words/s in batches of {size}")
            worse = worse + 1 if rate < _WORTH_IT * self.words_per_s else 0
            if rate > self.words_per_s:
                self.words_per_s, self.result.batch_size = rate, size
            if worse == 2 or not rate or time.monotonic() > ends:
                return

    def take(self, sample: Sample, pass_s: float) -> None:
        """Loads the documents, as often as makes a pass long enough to be timed; warms up."""
        if not self.words_per_s:
            return
        once_s = sample.word_count / self.words_per_s
        copies = max(1, round(pass_s / once_s))
        if not self.result.system.searches:
            self._trial(sample)  # every shape of a batch once, as in the course of a long run
        self.result.words = copies * sample.word_count
        with self._failure():
            self._asked.load(sample.words, copies)

    def pass_once(self) -> None:
        with self._failure():
            self.result.passes.append(self._asked.run(self.result.batch_size))
            if self.result.words:  # a limit counts none
                self._say(f"{self.result.system.title}: {self.result.rates()[-1]:,.0f} words/s")

    def fetch_tags(self, sample: Sample) -> None:
        with self._failure():
            spans = self._asked.spans(len(sample.words))
            pairs = zip(spans, sample.words, strict=bool(spans))
            self.result.tags = [tags_of_spans(found, words, sample.joint) for found, words in pairs]

    def _trial(self, sample: Sample, batch_size: int = 0) -> float:
        """Words a second of the faster of two passes; the first one also warms up."""
        with self._failure():
            self._asked.load(sample.words)
            seconds = self._asked.run(batch_size)["seconds"]
            if seconds < MIN_PASS_S:
                seconds = min(seconds, self._asked.run(batch_size)["seconds"])
            return float(sample.word_count / seconds)
        return 0.0

    def _trial_beside_start(self, sample: Sample) -> float:
        """Words a second once the worker processes, which every run starts, are there."""
        start_s, seconds, copies = sample.word_count / (self._trial(sample) or 1.0), 0.0, 1
        with self._failure():
            while seconds < start_s + _TRIAL_S:
                copies *= 8
                self._asked.load(sample.words, copies)
                seconds = self._asked.run()["seconds"]
        return copies * sample.word_count / (seconds - start_s) if seconds > start_s else 0.0

    @property
    def _asked(self) -> SystemProcess:
        if self._process is None or self.result.error:
            raise SystemFailedError(self.result.error or "")
        return self._process

    @contextmanager
    def _failure(self) -> Iterator[None]:
        """Keeps the reason of a failure."""
        try:
            yield
        except SystemFailedError as error:
            if not self.result.error:
                self.result.error = str(error)
                self._say(f"{self.result.system.title} failed: {error}")


def _documents(sample: Sample, running: Sequence[_Running], budget_s: float, pass_s: float) -> int:
    """How many documents all systems can label in every round."""
    speeds = [one.words_per_s for one in running if one.words_per_s]
    a_document = sample.word_count / len(sample.words)
    count = len(sample.words)
    while count > _MIN_DOCUMENTS:
        words = count * a_document
        round_s = sum(max(words / speed, pass_s) for speed in speeds)
        if ROUNDS * round_s <= budget_s:
            break
        count = int(count * 0.9)
    return count
