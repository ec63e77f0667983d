"""nerx with a backend that takes longer for every batch."""

import time

from nerx.benchmarks.peers import nerx
from nerx.engine.backends.cpu.openvino import OpenVinoBackend


def open_driver(task):
    run = OpenVinoBackend.run

    def slow(own, batch):
        time.sleep(0.7)
        return run(own, batch)

    OpenVinoBackend.run = slow
    return nerx.open_driver(task)
