"""The engine: streams documents through a token classifier.

`from nerx.engine import Tagger` is the Python API. Names are loaded on first use, so that importing
the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.pipeline import pipeline
    from .arrow import BatchTagger
    from .config import LabelConfig
    from .errors import BackendError, BundleError, ConfigError, InputError, NerxError
    from .tagger import Tagger

__all__ = [
    "BackendError",
    "BatchTagger",
    "BundleError",
    "ConfigError",
    "InputError",
    "LabelConfig",
    "NerxError",
    "Tagger",
    "pipeline",
]

_HOMES = {
    "Tagger": "tagger",
    "BatchTagger": "arrow",
    "LabelConfig": "config",
    "pipeline": "adapters.pipeline",
}


def __getattr__(name: str) -> Any:
    if name == "spark":  # `nerx.engine.spark.tag`
        return import_module(".cluster.spark", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
