"""The package zstandard, loaded where a `.zst` file is read or written: nothing else needs it."""

from typing import Any

from ..errors import ConfigError


def load_zstd() -> Any:
    """The module.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError(
            f".zst files need the package zstandard ({error}): run `pip install zstandard`"
        ) from error
    return zstandard
