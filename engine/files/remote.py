"""Object stores: `s3://` and `gs://` by pyarrow, any other URL (`hf://`, ...) by fsspec."""

import os
import re
from posixpath import dirname
from typing import Any

from ..errors import ConfigError, InputError

_BY_PYARROW = ("s3", "gs", "gcs")


def is_url(path: str) -> bool:
    """Whether a path names something on another machine."""
    return "://" in path


def open_filesystem(path: str) -> tuple[Any, str]:
    """A `pyarrow.fs.FileSystem` for a URL or a local path, and the path within it.

    Credentials, regions and endpoints come from the environment, as the store's own tools take
    them (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `HF_TOKEN`, ...).

    Raises:
        ConfigError: what it takes is not installed, or there is no such kind of URL.
        InputError: the store cannot be reached.
    """
    try:
        from pyarrow.fs import FileSystem, FSSpecHandler, LocalFileSystem, PyFileSystem
    except ImportError:
        raise ConfigError(
            f"{path} needs pyarrow: run `pip install 'nerx-engine[parquet]'`"
        ) from None
    scheme = path.partition("://")[0] if is_url(path) else "file"
    try:
        if scheme == "file":
            return LocalFileSystem(), path.removeprefix("file://")
        if scheme in _BY_PYARROW:
            filesystem, place = FileSystem.from_uri(path)
            return filesystem, place
        from fsspec.core import url_to_fs

        filesystem, place = url_to_fs(path)
        return PyFileSystem(FSSpecHandler(filesystem)), place
    except ImportError as error:
        raise ConfigError(f"{path} cannot be opened, {error}; `pip install` it") from None
    except ValueError as error:
        raise ConfigError(f"{path} cannot be opened: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error}") from None


def look(filesystem: Any, place: str, name: str) -> tuple[int, int]:
    """Bytes of a file and when it was changed, which tell one state of it from another.

    Raises:
        InputError: it is not there, or cannot be seen.
    """
    try:
        info = filesystem.get_file_info(place)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error}") from None
    if not info.is_file:
        problem = "no such file" if info.type.name == "NotFound" else "is a directory"
        raise InputError(f"{name}: {problem}")
    return info.size, info.mtime_ns or 0


def identity(path: str) -> tuple[int, int]:
    """`look` for a URL or a path."""
    if is_url(path):
        return look(*open_filesystem(path), path)
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def exists(path: str) -> bool:
    """Whether there is a file of that name, here or in an object store."""
    if not is_url(path):
        return os.path.lexists(path)
    try:
        return bool(look(*open_filesystem(path), path))
    except InputError:
        return False


def expand(pattern: str) -> list[str]:
    """The URLs that a URL with stars matches, in alphabetical order; `**` goes into folders.

    Raises:
        InputError: the store cannot be listed.
    """
    from pyarrow.fs import FileSelector

    filesystem, place = open_filesystem(pattern)
    head, star, _ = place.partition("*")
    if not star:
        return [pattern]
    try:
        found = filesystem.get_file_info(FileSelector(dirname(head), recursive=True))
    except OSError as error:
        raise InputError(f"{pattern} cannot be listed: {error}") from None
    parts = [re.escape(part).replace(r"\*", "[^/]*") for part in place.split("**")]
    matches = re.compile(".*".join(parts)).fullmatch
    scheme, mark, query = pattern.partition("://")[0], *pattern.partition("?")[1:]
    paths = sorted(file.path for file in found if file.is_file and matches(file.path))
    return [f"{scheme}://{path}{mark}{query}" for path in paths]


def upload(local: str, path: str) -> None:
    """Copies a file to a URL, where it appears when it is whole.

    Raises:
        OSError: it cannot be written.
    """
    from pyarrow.fs import LocalFileSystem, copy_files

    filesystem, place = open_filesystem(path)
    copy_files(local, place, LocalFileSystem(), filesystem)


class RemoteFile:
    """An open file of an object store, which must not change while it is read.

    Raises:
        InputError: it is not there, or cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._filesystem, self._place = open_filesystem(path)
        self._state = look(self._filesystem, self._place, path)
        self.size = self._state[0]
        try:
            self._file = self._filesystem.open_input_file(self._place)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error}") from None
        self.seek, self.close = self._file.seek, self._file.close

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end.

        Raises:
            InputError: the file has changed since it was opened.
            OSError: they cannot be read.
        """
        data: bytes = self._file.read(size)
        if not data and look(self._filesystem, self._place, self._path) != self._state:
            raise InputError(f"{self._path} was changed while it was read; label it anew")
        return data
