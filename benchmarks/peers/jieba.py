"""jieba: a dictionary, and a hidden Markov model for words that it lacks."""

from ..driver import Driver, Task
from .segmenters import SegmenterDriver


def open_driver(task: Task) -> Driver:
    """Loads its dictionary."""
    import jieba

    jieba.setLogLevel("ERROR")
    jieba.initialize()
    return SegmenterDriver("jieba", jieba.lcut)
