"""A peer whose answers and speed are laid down, so that a test knows what must show.

Its "checkpoint" is a JSON file: `tags` for every document, `seconds` for every pass.
"""

import json
import time
from pathlib import Path

from nerx.benchmarks.labels import word_begins


def open_driver(task):
    return ScriptedPeer(task, json.loads(Path(task.model).read_text()))


class ScriptedPeer:
    def __init__(self, task, script):
        if "error" in script:
            raise RuntimeError(script["error"])
        self.facts = {"version": "0", "device": "cpu"}
        self.script = script
        self.joint = task.joint
        self.documents = []

    def prepare(self, documents, copies):
        self.documents = documents * copies

    def run(self, batch_size):
        words = sum(map(len, self.documents))
        time.sleep(words * self.script["seconds_a_word"])

    def report(self):
        words = sum(map(len, self.documents))
        return {"subwords": words, "positions": words * 2}

    def spans(self, documents):
        return [self.spans_of(words) for words in self.documents[:documents]]

    def spans_of(self, words):
        begins = word_begins(words, self.joint)
        tags = self.script["tags"].get(" ".join(words), ["O"] * len(words))
        return [
            (begins[place], begins[place] + len(word), tag)
            for place, (word, tag) in enumerate(zip(words, tags, strict=True))
            if tag != "O"
        ]
