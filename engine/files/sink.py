"""An output: a file, plain or .gz or .zst, here or in an object store; or stdout."""

import gzip
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from ..errors import ConfigError, NerxError
from .local import reason
from .packing import load_zstd
from .remote import exists, is_url, upload

_GZIP_LEVEL = 5
_ZSTD_LEVEL = 3


class Sink(AbstractContextManager["Sink"]):
    """An output that is written to `PATH.part` and gets its name when it is whole.

    Every write is a gzip member or zstd frame of its own. Where the name is a device or a pipe, it
    is written to directly; a link is replaced, not followed. After an error the `.part` file stays.
    What goes to an object store is written to the system's temporary folder, and copied when it is
    whole.

    resume_at: goes on with the `.part` file at that byte, and drops what lies behind it

    Raises:
        ConfigError: the file exists and `force` is not set, or it cannot be created or resumed.
    """

    grows = True  # what was written is of use before it is whole

    def __init__(self, path: str, *, force: bool = False, resume_at: int | None = None) -> None:
        self.path = path
        self._suffix = os.path.splitext(path)[1].lower()
        self._spool = tempfile.TemporaryDirectory(prefix="nerx-") if is_url(path) else None
        self._part = path + ".part" if is_file(path) else None
        if self._spool:
            self._part = os.path.join(self._spool.name, "part")
        self.size = resume_at or 0  # bytes written, as stored
        if self._part and resume_at is not None and self._find_part(self._part):
            self._file = self._reopen(self._part, resume_at)
            return
        if self._part:
            refuse_existing([path], force=force)
        self._file = self._open()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def write(self, data: bytes) -> None:
        """Writes the output of a block.

        Raises:
            NerxError: the bytes cannot be written, for one because the disk is full.
            BrokenPipeError: nobody reads standard output any more.
        """
        if data:
            self._write(data)

    def sync(self) -> None:
        """Waits until what was written is on the disk."""
        if self._part:
            with self._failures():
                os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Ends the output and gives it its name."""
        if not self.size and self._pack(b""):
            self._write(b"")  # not even an empty one is a file of no bytes
        if self.path == "-":
            return
        with self._failures():
            if self._part:
                os.fsync(self._file.fileno())
            self._file.close()
            if self._spool:
                upload(self._part or "", self.path)
                self._spool.cleanup()
            elif self._part:
                os.replace(self._part, self.path)
                sync_folder(self.path)

    def abandon(self) -> None:
        """Closes an output that is not whole; its `.part` file stays."""
        if self.path != "-":
            self._file.close()
        if self._spool:
            self._spool.cleanup()

    def remove(self) -> None:
        """Closes an output that is of no use if it is not whole, and takes it away."""
        self.abandon()
        if self._part and os.path.exists(self._part):
            os.remove(self._part)

    def _pack(self, data: bytes) -> bytes:
        if self._suffix == ".gz":
            return gzip.compress(data, _GZIP_LEVEL, mtime=0)
        if self._suffix == ".zst":
            packer = load_zstd().ZstdCompressor(_ZSTD_LEVEL, write_checksum=True)
            packed: bytes = packer.compress(data)
            return packed
        return data

    def _write(self, data: bytes) -> None:
        data = self._pack(data)
        rest = memoryview(data)
        with self._failures():
            while rest:
                rest = rest[self._file.write(rest) :]
            self._file.flush()
        self.size += len(data)

    def _open(self) -> BinaryIO:
        if self.path == "-":
            return sys.stdout.buffer
        try:
            if self._part and os.path.islink(self._part):
                os.unlink(self._part)
            file = open(self._part or self.path, "wb", buffering=0)  # noqa: SIM115 (it stays open)
            if self._part:
                sync_folder(self._part)
            return file
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise ConfigError(f"{self.path} cannot be written: {reason(error)}") from None

    def _find_part(self, part: str) -> bool:
        """Whether there is something to go on with; an output that was named already is part again.

        A run may end between giving its outputs their names and removing its journal.
        """
        if os.path.exists(part) or not os.path.exists(self.path):
            return os.path.exists(part) or bool(self.size)
        if os.path.getsize(self.path) != (self.size or len(self._pack(b""))):
            raise ConfigError(
                f"{self.path} is not the output of the run that its journal tells of; name another"
                " file or start anew with --force"
            )
        os.replace(self.path, part)
        return True

    def _reopen(self, part: str, size: int) -> BinaryIO:
        try:
            file = open(part, "r+b", buffering=0)  # noqa: SIM115 (it stays open)
        except OSError as error:
            raise ConfigError(f"{part} cannot be resumed: {reason(error)}") from None
        found = os.fstat(file.fileno()).st_size
        if found < size:
            file.close()
            raise ConfigError(
                f"{part} has {found:,} bytes, its journal tells of {size:,}: it was changed since;"
                " start anew with --force"
            )
        file.truncate(size)
        file.seek(size)
        return file

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.path == "-" and isinstance(error, BrokenPipeError):
                raise  # whoever reads it has had enough
            kept = ""
            if self._part and not self._spool:
                kept = f"; what was written so far is in {self._part}"
            raise NerxError(f"{self.path} cannot be written: {reason(error)}{kept}") from None


def write_file(path: str, data: bytes, *, force: bool = False) -> None:
    """Writes a whole file at once, by the rules of `Sink`.

    Raises:
        ConfigError: it exists and `force` is not set, or it cannot be created.
    """
    with Sink(path, force=force) as sink:
        sink.write(data)


def refuse_existing(paths: Iterable[str], *, force: bool = False) -> None:
    """Refuses to overwrite, unless `force` is set.

    Raises:
        ConfigError: one of the outputs exists, or is a directory.
    """
    for path in paths:
        if os.path.isdir(path):
            raise ConfigError(f"{path} is a directory; name a file in it")
        if not force and is_file(path) and exists(path):
            raise ConfigError(f"{path} exists; name another file or overwrite it with --force")


def sync_folder(path: str) -> None:
    """Waits until the names in a file's folder are on the disk."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_file(path: str) -> bool:
    """Whether an output is a file, which can be replaced, and no device, pipe or stdout."""
    if path == "-":
        return False
    if is_url(path):
        return True
    return not os.path.exists(path) or os.path.isfile(path) or os.path.isdir(path)
