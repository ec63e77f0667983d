"""Compressed bytes unpacked piece by piece, in bounded memory even where they are a bomb."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ..errors import ConfigError, InputError

MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}  # where the name does not tell
_STEP_BYTES = 1 << 10  # unpacked at once: of a bomb 1 MiB with gzip, 32 MiB with zstd at most


def packing_of(head: bytes) -> str:
    """The suffix of what begins so, "" if it is not packed."""
    return next((suffix for suffix, magic in MAGIC.items() if head.startswith(magic)), "")


def unpack(packing: str, pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpacks what `packing`, a suffix, stands for: all members of gzip, all frames of zstd.

    Raises:
        InputError: it is damaged or cut short.
    """
    kind, new_decoder, failure = _how_to_unpack(packing)
    decoder = new_decoder()
    try:
        for piece in pieces:
            for first in range(0, len(piece), _STEP_BYTES):
                left = piece[first : first + _STEP_BYTES]
                while left:
                    if decoder.eof:
                        if kind == "gzip" and not (left := left.lstrip(b"\0")):
                            break  # members may be padded
                        decoder = new_decoder()
                    yield decoder.decompress(left)
                    left = decoder.unused_data if decoder.eof else b""
    except failure as error:
        raise InputError(
            f"{name} is not a sound {kind} file ({error}); compress it anew, or rename it"
        ) from None
    if not decoder.eof:
        raise InputError(
            f"{name} ends in the middle of its {kind} data; it was cut short: copy it anew"
        )


def _how_to_unpack(packing: str) -> tuple[str, Callable[[], Any], type[Exception]]:
    """The name of a packing, what makes a decoder, and its error."""
    if packing == ".gz":
        return "gzip", partial(zlib.decompressobj, wbits=31), zlib.error
    module = load_zstd()
    return "zstd", module.ZstdDecompressor().decompressobj, module.ZstdError


def load_zstd() -> Any:
    """The module zstandard, loaded where a `.zst` file is read or written: nothing else needs it.

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
