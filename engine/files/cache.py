"""Folders for what nerx can make again: compiled models, models exported on first use."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ..errors import BackendError


@dataclass(frozen=True, slots=True)
class Cached:
    """A file or a folder in the cache; its name tells its kind too, as in models/mine-0123."""

    name: str
    path: Path

    @property
    def size_bytes(self) -> int:
        files = [self.path, *self.path.rglob("*")]
        return sum(file.lstat().st_size for file in files if not file.is_dir())

    def remove(self) -> None:
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


def private_folder(*parts: str) -> Path:
    """A folder in the user's cache (~/.cache/nerx) that no other user can read or write.

    Compiled models are native code to the runtime that loads them, so others must not be able
    to plant one.

    Raises:
        BackendError: it cannot be made, or belongs to somebody else.
    """
    folder = user_cache_path("nerx")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for part in ("", *parts):
            folder /= part
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        raise BackendError(f"cannot use the cache folder {folder}: {error}") from error
    return folder


@contextmanager
def made_once(folder: Path, marker: str, say: Callable[[str], None]) -> Iterator[bool]:
    """Whether a folder is still to be made; while it is, whoever else wants to make it waits.

    marker: a file that it holds once it is whole
    say: is told what is waited for
    """
    if (folder / marker).is_file():
        yield False
        return
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield not (folder / marker).is_file()


def cached() -> Iterator[Cached]:
    """What the cache holds, leftovers of what was killed included."""
    home = private_folder()
    for path in sorted(home.glob("*/*")):
        if path.suffix != ".lock":
            yield Cached(str(path.relative_to(home)), path)
