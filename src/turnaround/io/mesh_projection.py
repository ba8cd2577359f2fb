"""Meshes of the box `mshp` of the Spherical Video V2 RFC (Google, spatial-media): which way each place is seen."""

import math
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import torch

from turnaround.io.eye_views import MeshView
from turnaround.types import InputError

MOST_BYTES = 2**25  # of meshes, inflated
TRIANGLES, STRIP, FAN = range(3)  # of the RFC's index_type
VIDEO = 0  # of its texture_id: the frame itself


def read_meshes(subject: object, body: bytes) -> Sequence[MeshView]:
    """One mesh for both eyes, or one for each, the left first.

    body: of the box, behind its size, name, version and flags: a checksum, which is not looked at, an encoding, and
    boxes. Their coordinates are OpenGL's (y up, -z forward; v from the lower border).
    """
    encoding, data = body[4:8], body[8:]
    if encoding == b"dfl8":
        data = _inflated(subject, data)
    elif encoding != b"raw ":
        raise _refused(subject, f"meshes encoded as {encoding!r}")
    meshes = []
    while len(data) >= 8:
        size, name = struct.unpack_from(">I4s", data)
        if not 8 <= size <= len(data):
            raise _refused(subject, f"a mesh box of {size} bytes")
        if name == b"mesh":
            meshes.append(_Reader(subject, data[8:size]).mesh())
        data = data[size:]
    if not 1 <= len(meshes) <= 2:
        raise _refused(subject, f"{len(meshes)} meshes")
    return meshes


def _inflated(subject: object, data: bytes) -> bytes:
    """Raw deflate (RFC 1951)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = inflater.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise _refused(subject, f"meshes that do not unpack ({error})") from error
    if not inflater.eof:
        raise _refused(subject, f"meshes of more than {MOST_BYTES} bytes, or cut off")
    return found


class _Reader:
    """A mesh box from its front: counts of 31 bits, big-endian; runs of numbers of few bits, padded to whole bytes."""

    def __init__(self, subject: object, data: bytes):
        self._subject, self._data, self._place = subject, data, 0

    def mesh(self) -> MeshView:
        values = np.frombuffer(self._bytes(4 * self._count()), ">f4").astype(np.float64)
        if not np.isfinite(values).all():
            raise _refused(self._subject, "a mesh with coordinates that are no numbers")
        vertices = self._count()
        index = self._deltas(5 * vertices, len(values)).reshape(vertices, 5).cumsum(0)
        x, y, z, u, v = values[self._within(index, len(values))].T
        lists = [self._triangles(vertices) for _ in range(self._count())]
        triangles = np.concatenate([np.zeros((0, 3), np.int64), *lists])
        repeats = (triangles == np.roll(triangles, 1, axis=1)).any(1)  # strips turn by triangles of no area
        if repeats.all():
            raise _refused(self._subject, "a mesh without triangles")
        return MeshView(
            points=torch.from_numpy(np.stack([x, -y, -z], axis=-1)),
            shares=torch.from_numpy(np.stack([u, 1 - v], axis=-1)),
            triangles=torch.from_numpy(triangles[~repeats]),
        )

    def _triangles(self, vertices: int) -> np.ndarray:
        texture, kind = self._bytes(2)
        index = self._within(self._deltas(self._count(), vertices).cumsum(), vertices)
        if texture != VIDEO or kind not in (TRIANGLES, STRIP, FAN):
            raise _refused(self._subject, f"a list of texture {texture} and type {kind}")
        if kind == TRIANGLES:
            return index[: len(index) // 3 * 3].reshape(-1, 3)
        first = index[:-2] if kind == STRIP else np.broadcast_to(index[:1], max(len(index) - 2, 0))
        return np.stack([first[: max(len(index) - 2, 0)], index[1:-1], index[2:]], axis=-1)

    def _deltas(self, count: int, values: int) -> np.ndarray:
        """`count` differences of indices below `values`, zigzag coded: 0, -1, 1, -2 and on."""
        bits = math.ceil(math.log2(2 * values)) if values else 0
        data = np.frombuffer(self._bytes(-(-count * bits // 8)), np.uint8)
        digits = np.unpackbits(data)[: count * bits].reshape(count, bits).astype(np.int64)
        code = digits @ (1 << np.arange(bits, dtype=np.int64)[::-1])
        return np.where(code % 2 == 0, code // 2, -(code + 1) // 2)

    def _within(self, index: np.ndarray, values: int) -> np.ndarray:
        if index.size and not 0 <= index.min() <= index.max() < values:
            raise _refused(self._subject, "a mesh that points outside its lists")
        return index

    def _count(self) -> int:
        return struct.unpack(">I", self._bytes(4))[0] & 0x7FFFFFFF

    def _bytes(self, size: int) -> bytes:
        if self._place + size > len(self._data):
            raise _refused(self._subject, "a mesh that is cut off")
        self._place += size
        return self._data[self._place - size : self._place]


def _refused(subject: object, found: str) -> InputError:
    return InputError(
        subject, expected="a mesh as the spherical video RFC has it", found=found, fix="choose the view by stereo.view"
    )
