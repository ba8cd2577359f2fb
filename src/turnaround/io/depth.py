"""Depth in files: .npz for programs, 16 bit PNG and EXR for people's tools."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.atomic import AtomicWriter, atomic_file, atomic_folder
from turnaround.io.existing import existing_file
from turnaround.io.image import encode_png16
from turnaround.io.npz import opened_array
from turnaround.types import DepthKind, DepthVideo, InputError

MAX_BYTES = 2**34  # 16 GiB of one array: 1000 frames of 2048 x 2048


class DepthNpzWriter(AtomicWriter):
    """An .npz of depth maps given one by one, in constant memory; the same maps give the same bytes.

    Entries: `depth` float32 [t h w], NaN where unknown; `kind`, a name of `DepthKind`; `scale` and `shift`, float64:
    the network's own value was (depth - shift) / scale, so 1 and 0 unless `calibrate` says otherwise.
    """

    def __init__(self, path: Path, *, frames: int, height: int, width: int, kind: DepthKind):
        if min(frames, height, width) < 1:
            raise InputError(
                path,
                expected="at least one frame and pixel",
                found=f"{frames} x {height} x {width}",
                fix="check the input",
            )
        self._path, self._shape, self._kind = path, (frames, height, width), kind
        self._scale, self._shift, self._written = 1.0, 0.0, 0
        self._entry: IO[bytes]

    def write(self, values: Float[Tensor, "h w"]) -> None:
        """Appends one map."""
        frames, height, width = self._shape
        subject = f"{self._path}, frame {self._written}"
        if self._written == frames or values.shape != (height, width):
            expected = f"{frames} maps of {width} x {height}"
            found = f"map {self._written + 1} of {values.shape[1]} x {values.shape[0]}"
            raise InputError(subject, expected=expected, found=found, fix="state the right size")
        if values.isinf().any():
            raise InputError(subject, expected="finite depth or NaN", found="inf", fix="write NaN where it is unknown")
        self._entry.write(np.ascontiguousarray(values.detach().cpu().numpy(), dtype="<f4").data)
        self._written += 1

    def calibrate(self, *, scale: float, shift: float) -> None:
        """States how the maps came from the network's own values: depth = scale * raw + shift."""
        self._scale, self._shift = scale, shift

    @contextmanager
    def _opened(self) -> Iterator[None]:
        header = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        with atomic_file(self._path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            # a bare ZipInfo has no clock time in it; ZIP64, since the size is not known to zipfile beforehand
            with archive.open(zipfile.ZipInfo("depth.npy"), "w", force_zip64=True) as self._entry:
                np.lib.format.write_array_header_1_0(self._entry, header)
                yield
                if self._written != self._shape[0]:
                    raise InputError(
                        self._path,
                        expected=f"{self._shape[0]} maps",
                        found=str(self._written),
                        fix="state the right number",
                    )
            for name, value in (("kind", self._kind.value), ("scale", self._scale), ("shift", self._shift)):
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                    np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)


def write_depth_npz(path: Path, depth: DepthVideo, *, scale: float = 1.0, shift: float = 0.0) -> None:
    """`DepthNpzWriter` on depth that is in memory."""
    frames, height, width = depth.values.shape
    with DepthNpzWriter(path, frames=frames, height=height, width=width, kind=depth.kind) as writer:
        writer.calibrate(scale=scale, shift=shift)
        for values in depth.values:
            writer.write(values)


def read_depth_npz(path: Path, *, key: str = "depth") -> DepthVideo:
    """Predicted depth [t h w], known everywhere: NaN is refused.

    A file without `kind`, as DepthCrafter writes, holds disparity up to scale and shift.
    """
    depth = _read_npz(path, key, DepthKind.AFFINE_DISPARITY)
    unknown = depth.values.isnan().flatten(1).any(dim=1).nonzero()
    if len(unknown) > 0:
        found = f"NaN in frame {unknown[0].item()}"
        raise InputError(path, expected="a depth at every pixel", found=found, fix="predict it again")
    return depth


def read_depth_truth_npz(path: Path, *, key: str = "depth") -> DepthVideo:
    """True depth [t h w], NaN where unknown; the file must state its `kind`."""
    return _read_npz(path, key, None)


class DepthPngWriter(AtomicWriter):
    """A folder of 16 bit PNGs, 00000.png and on, of maps in [0, 1] given one by one; NaN (unknown) becomes 0.

    An older folder of that name is replaced, if all it holds are PNGs.
    """

    def __init__(self, folder: Path):
        self._folder, self._written = folder, 0
        self._temporary: Path

    def write(self, values: Float[Tensor, "h w"]) -> None:
        """Appends one map."""
        name = f"{self._written:05d}.png"
        (self._temporary / name).write_bytes(encode_png16(self._folder / name, values))
        self._written += 1

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with atomic_folder(self._folder, pattern="*.png") as self._temporary:
            yield
            if self._written == 0:
                raise InputError(self._folder, expected="at least one map", found="none", fix="check what feeds it")


def _read_npz(path: Path, key: str, unstated: DepthKind | None) -> DepthVideo:
    existing_file(path, expected="an .npz of depth")
    try:
        with zipfile.ZipFile(path) as archive:
            stored = _read_array(path, archive, key, dtype_kind="f", dimensions=3)
            values = torch.from_numpy(stored.astype(np.float32, order="C", copy=False))
            stated = "kind.npy" in archive.namelist()
            kind = str(_read_array(path, archive, "kind", dtype_kind="U", dimensions=0)) if stated else unstated
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, OSError) as error:
        raise InputError(
            path, expected="an .npz of depth", found=f"a damaged or foreign file ({error})", fix="write it again"
        ) from error
    if kind not in list(DepthKind):
        found = "none" if kind is None else repr(kind)
        raise InputError(f"{path}, key 'kind'", expected=f"one of {', '.join(DepthKind)}", found=found, fix="state it")
    infinite = values.isinf().flatten(1).any(dim=1).nonzero()
    if len(infinite) > 0:
        found = f"inf in frame {infinite[0].item()}"
        raise InputError(path, expected="finite depth", found=found, fix="write NaN where it is unknown")
    return DepthVideo(values=values, kind=DepthKind(kind))


def _read_array(path: Path, archive: zipfile.ZipFile, key: str, *, dtype_kind: str, dimensions: int) -> np.ndarray:
    """One array of the archive, once its header agrees with what is asked for and with what is there."""
    with opened_array(path, archive, key, fix="name the right key") as (header, _):
        shape, dtype, held = header.shape, header.dtype, header.held
    subject, size = f"{path}, key {key!r}", math.prod(shape) * dtype.itemsize
    if dtype.kind != dtype_kind or len(shape) != dimensions:
        asked = f"{dimensions} dimensions of {'floating-point numbers' if dtype_kind == 'f' else 'text'}"
        raise InputError(subject, expected=asked, found=f"{dtype} {list(shape)}", fix="name or write the right array")
    if not 0 < size <= MAX_BYTES:
        raise InputError(
            subject, expected=f"1 to {MAX_BYTES} bytes", found=f"{size}, {list(shape)}", fix="split the video"
        )
    if size != held:
        raise InputError(subject, expected=f"{size} bytes, {list(shape)}", found=str(held), fix="write it again")
    with archive.open(f"{key}.npy") as whole:
        return np.lib.format.read_array(whole, allow_pickle=False)
