"""THULAC: a structured perceptron of characters, with the model that its package brings."""

import contextlib
import io

from ..driver import Driver, Task
from .segmenters import SegmenterDriver


def open_driver(task: Task) -> Driver:
    """Loads its model for segmentation alone."""
    import thulac

    with contextlib.redirect_stdout(io.StringIO()):  # which it greets on
        segmenter = thulac.thulac(seg_only=True)
    return SegmenterDriver("thulac", lambda text: [word for word, _ in segmenter.cut(text)])
