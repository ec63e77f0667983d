"""Compressed bytes unpacked piece by piece, in bounded memory even where they are a bomb."""

import zlib
from collections.abc import Iterable, Iterator

from ..errors import InputError
from .zstd import load_zstd

MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}  # where the name does not tell
_PIECE_BYTES = 1 << 20  # unpacked at once
_FRAME_BYTES = 1 << 10  # given to zstd at once: even in a bomb it unpacks to 32 MiB at most


def packing_of(head: bytes) -> str:
    """The suffix of what begins so, "" if it is not packed."""
    return next((suffix for suffix, magic in MAGIC.items() if head.startswith(magic)), "")


def unpack(packing: str, pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpacks what `packing`, a suffix, stands for.

    Raises:
        InputError: it is damaged or cut short.
    """
    return (_gunzip if packing == ".gz" else _unzstd)(pieces, name)


def _gunzip(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpacks all members, in pieces of at most `_PIECE_BYTES`."""
    decoder = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            left = piece
            while left:
                if decoder.eof:
                    left = left.lstrip(b"\0")  # members may be padded
                    if not left:
                        break
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(left, _PIECE_BYTES)
                left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error as error:
        raise InputError(
            f"{name} is not a sound gzip file ({error}); compress it anew, or rename it"
        ) from None
    if not decoder.eof:
        raise InputError(
            f"{name} ends in the middle of its gzip data; it was cut short: copy it anew"
        )


def _unzstd(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Unpacks all frames."""
    zstandard = load_zstd()
    context = zstandard.ZstdDecompressor()
    decoder = context.decompressobj()
    try:
        for piece in pieces:
            for first in range(0, len(piece), _FRAME_BYTES):
                left = piece[first : first + _FRAME_BYTES]
                while left:
                    if decoder.eof:
                        decoder = context.decompressobj()
                    yield decoder.decompress(left)
                    left = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise InputError(
            f"{name} is not a sound zstd file ({error}); compress it anew, or rename it"
        ) from None
    if not decoder.eof:
        raise InputError(
            f"{name} ends in the middle of its zstd data; it was cut short: copy it anew"
        )
