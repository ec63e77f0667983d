"""A file of this machine, a pipe, or standard input, by its descriptor."""

import os
import stat

from ..errors import InputError


class LocalFile:
    """An open file; `-` is standard input, which stays open.

    Raises:
        InputError: there is no such file, it cannot be read, or it is a directory.
    """

    def __init__(self, path: str) -> None:
        self.descriptor = 0 if path == "-" else _open(path)
        status = os.fstat(self.descriptor)
        if stat.S_ISDIR(status.st_mode):
            self.close()
            name = "stdin" if path == "-" else path
            raise InputError(f"{name} is a directory; name the files in it")
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else None  # bytes; no pipe's

    def close(self) -> None:
        if self.descriptor > 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end. Raises OSError where they cannot be read."""
        return os.read(self.descriptor, size)

    def seek(self, position: int) -> None:
        os.lseek(self.descriptor, position, os.SEEK_SET)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path} cannot be read: {reason(error)}") from None


def reason(error: OSError | ValueError) -> str:
    """What went wrong, in the system's words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
