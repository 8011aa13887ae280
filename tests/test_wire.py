"""Frames carry arrays unchanged, and refuse everything that is no frame."""

import io
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader.sandbox.worker import wire


def through(message: wire.Message) -> wire.Message:
    return wire.read(io.BytesIO(wire.pack(message)).read)


@given(
    hnp.arrays(
        st.sampled_from(["<f4", "<f8", "<i4", "<i8", "|u1", "|b1", "<f2"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=50),
)
def test_what_goes_in_comes_out(array: np.ndarray, nonce: int, text: bytes) -> None:
    got = through(wire.Message(wire.VALUE, nonce, text, (array,)))
    assert (got.kind, got.nonce, got.text) == (wire.VALUE, nonce, text)
    assert got.arrays[0].dtype == array.dtype
    assert got.arrays[0].shape == array.shape
    assert got.arrays[0].tobytes() == array.tobytes()


@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    stream = io.BytesIO(wire.MAGIC + data)

    def exactly(size: int) -> bytes:
        part = stream.read(size)
        if len(part) < size:
            raise EOFError
        return part

    with suppress(wire.WireError, EOFError):
        wire.read(exactly)


def test_objects_are_never_framed() -> None:
    with pytest.raises(wire.WireError):
        wire.pack(wire.Message(wire.VALUE, 0, b"", (np.array([object()]),)))


def test_a_reply_above_the_limit_is_refused_on_both_sides() -> None:
    big = np.zeros(wire.LARGEST_REPLY + 1, np.uint8)
    with pytest.raises(wire.TooLarge):
        wire.pack(wire.Message(wire.VALUE, 0, b"", (big,)))
    framed = wire.pack(wire.Message(wire.VALUE, 0, b"", (big,)), limit=2 * wire.LARGEST_REPLY)
    with pytest.raises(wire.TooLarge):
        wire.read(io.BytesIO(framed).read)


def test_a_lying_header_costs_no_memory() -> None:
    header = struct.pack("<4sBBQI", wire.MAGIC, wire.VALUE, 1, 0, 0)
    array = struct.pack("<BBII", 1, 2, 2**31, 2**31)
    with pytest.raises(wire.TooLarge):
        wire.read(io.BytesIO(header + array).read)


def test_many_small_arrays_count_together() -> None:
    arrays = tuple(np.zeros(wire.LARGEST_REPLY // 100, np.uint8) for _ in range(120))
    framed = wire.pack(wire.Message(wire.VALUE, 0, b"", arrays), limit=10 * wire.LARGEST_REPLY)
    with pytest.raises(wire.TooLarge):
        wire.read(io.BytesIO(framed).read)
