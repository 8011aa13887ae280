"""Frame the messages between judge and worker: a fixed header, a text, raw arrays; never a pickle.

    header   magic 4s | kind u8 | arrays u8 | nonce u64 | text bytes u32     little endian
    text     UTF-8, JSON where the kind says so
    array    dtype u8 | ndim u8 | shape u32 each | bytes, C order

Both sides use this file. A forged frame can only be a wrong answer: the worker holds no expected
value. Sizes are checked before anything is read, so a lying header costs no memory.
"""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

MAGIC = b"NXG1"
READY, SOURCE, LOADED, CALL, VALUE, ERROR, INSPECT, FACTS, PROBE, TRANSPLANT, MISSED, REHEARSE = (
    range(1, 13)
)
KINDS = range(READY, REHEARSE + 1)

LARGEST_REPLY = 1 << 20
"""Bytes in one reply, all arrays and the text together."""
LARGEST_REQUEST = 64 << 20
"""The same of a request, and of what the oracle answers."""
LARGEST_NDIM = 8
LARGEST_COUNT = 255
LARGEST_LIST = 512
"""Modules, attributes, calls: as many of each are told of a watched call, and no more are taken."""

_HEADER = struct.Struct("<4sBBQI")
_ARRAY = struct.Struct("<BB")
_DTYPES = (
    *("<f4", "<f8", "<f2", "|b1", "|i1", "<i2", "<i4", "<i8"),
    *("|u1", "<u2", "<u4", "<u8", "<c8", "<c16"),
)
_CODES = {name: code for code, name in enumerate(_DTYPES)}


class WireError(Exception):
    """The bytes are not a message, or the message cannot be framed."""


class TooLarge(WireError):
    """The message exceeds its size limit."""


class Message(NamedTuple):
    """One frame.

    Attributes:
        nonce: 64 random bits of the judge; a reply repeats those of its call.
    """

    kind: int
    nonce: int
    text: bytes = b""
    arrays: tuple[np.ndarray, ...] = ()


def pack(message: Message, limit: int = LARGEST_REPLY) -> bytes:
    """Frame a message.

    Raises:
        TooLarge: text and arrays exceed limit bytes.
        WireError: an array has a dtype or rank that no frame can hold.
    """
    if len(message.arrays) > LARGEST_COUNT:
        raise TooLarge(f"{len(message.arrays)} arrays")
    size = len(message.text) + sum(array.nbytes for array in message.arrays)
    if size > limit:
        raise TooLarge(f"{size} bytes")
    header = (MAGIC, message.kind, len(message.arrays), message.nonce, len(message.text))
    parts = [_HEADER.pack(*header), message.text]
    for array in message.arrays:
        parts += _pack_array(array)
    return b"".join(parts)


def _pack_array(array: np.ndarray) -> list[bytes]:
    code = _CODES.get(array.dtype.newbyteorder("<").str)
    if code is None or array.ndim > LARGEST_NDIM:
        raise WireError(f"array of dtype {array.dtype.name} with {array.ndim} axes")
    head = _ARRAY.pack(code, array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
    return [head, np.ascontiguousarray(array, dtype=_DTYPES[code]).tobytes()]


def read(exactly: Callable[[int], bytes], limit: int = LARGEST_REPLY) -> Message:
    """Read one message.

    Args:
        exactly: returns exactly n bytes, or raises.
        limit: largest number of bytes of text and arrays together.

    Raises:
        WireError: the bytes are no message.
        TooLarge: the header announces more than limit.
    """
    magic, kind, count, nonce, size = _HEADER.unpack(exactly(_HEADER.size))
    if magic != MAGIC or kind not in KINDS:
        raise WireError("bad header")
    if size > limit:
        raise TooLarge(f"{size} bytes of text")
    text = exactly(size)
    arrays = []
    for _ in range(count):
        array = _read_array(exactly, limit - size)
        size += array.nbytes
        arrays.append(array)
    return Message(kind, nonce, text, tuple(arrays))


def _read_array(exactly: Callable[[int], bytes], limit: int) -> np.ndarray:
    code, ndim = _ARRAY.unpack(exactly(_ARRAY.size))
    if code >= len(_DTYPES) or ndim > LARGEST_NDIM:
        raise WireError("bad array header")
    shape: Sequence[int] = struct.unpack(f"<{ndim}I", exactly(4 * ndim))
    dtype = np.dtype(_DTYPES[code])
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size > limit:
        raise TooLarge(f"array of {size} bytes")
    try:
        return np.frombuffer(exactly(size), dtype).reshape(shape)
    except ValueError as error:  # an empty array whose axes overflow NumPy's index type
        raise WireError("impossible shape") from error
