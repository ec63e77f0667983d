"""Folders for what nerx can make again: compiled models, models exported on first use."""

import os
from pathlib import Path

from ..errors import BackendError


def private_folder(*parts: str) -> Path:
    """A folder under $XDG_CACHE_HOME/nerx (~/.cache/nerx) that no other user can read or write.

    Compiled models are native code to the runtime that loads them, so others must not be able
    to plant one.

    Raises:
        BackendError: it cannot be made, or belongs to somebody else.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(home) if home else Path("~/.cache")
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("nerx", *parts):
            folder /= part
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
    except (OSError, RuntimeError) as error:
        raise BackendError(f"cannot use the cache folder {folder}: {error}") from error
    return folder
