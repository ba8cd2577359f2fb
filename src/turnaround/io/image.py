"""Pictures: float32 RGB in [0, 1] inside, 8 or 16 bits per channel in files."""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.types import InputError

MAX_SIDE = 16384  # pixels; a picture of 256 megapixels is 3 GiB as float32
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that carry the size


def read_image(path: Path) -> Float[Tensor, "3 h w"]:
    """RGB in [0, 1] of an 8 or 16 bit picture: grey is repeated, alpha dropped, the EXIF orientation applied."""
    pixels = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(
            path, expected="8 or 16 bits per channel", found=str(pixels.dtype), fix="convert it to PNG or JPEG"
        )
    rgb = torch.from_numpy(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
    return rgb.to(torch.float32, memory_format=torch.contiguous_format) / np.iinfo(pixels.dtype).max


def has_alpha(path: Path) -> bool:
    """Whether a PNG has a channel of opacity, which `read_image` drops (PNG specification 11.2.2); no other format."""
    existing_file(path, expected="an image")
    with path.open("rb") as file:
        head = file.read(26)
    return head.startswith(b"\x89PNG") and len(head) == 26 and head[25] in (4, 6)


def write_image(path: Path, image: Float[Tensor, "3 h w"]) -> None:
    """An 8 bit .png or .jpg (quality 95) of RGB in [0, 1]."""
    require_suffix(path, ".png", ".jpg", ".jpeg")
    data = _encode(path.suffix.lower(), path, image)
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_cutout(path: Path, image: Float[Tensor, "3 h w"], alpha: Float[Tensor, "h w"]) -> None:
    """An 8 bit .png of RGB and opacity in [0, 1]."""
    require_suffix(path, ".png")
    pixels = cv2.cvtColor(quantise(path, torch.cat([image, alpha[None]]), 255).transpose(1, 2, 0), cv2.COLOR_RGBA2BGRA)
    with atomic_file(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def encode_png(subject: object, image: Float[Tensor, "3 h w"]) -> bytes:
    """What `write_image` writes to a .png; `subject` is what an error names."""
    return _encode(".png", subject, image)


def read_png16(path: Path) -> Float[Tensor, "h w"]:
    """The values in [0, 1] of a grey 16 bit PNG; stored steps are `values * 65535`."""
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        raise InputError(
            path,
            expected="one channel of 16 bits",
            found=f"{channels} of {8 * pixels.itemsize}",
            fix="read it as an image or write it anew",
        )
    return torch.from_numpy(pixels.astype(np.float32)) / 65535


def write_png16(path: Path, values: Float[Tensor, "h w"]) -> None:
    """A grey 16 bit PNG of values in [0, 1]; NaN (unknown) becomes 0."""
    require_suffix(path, ".png")
    data = encode_png16(path, values)
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_mask(path: Path, mask: Bool[Tensor, "h w"]) -> None:
    """A grey 8 bit PNG: 255 where true, else 0."""
    require_suffix(path, ".png")
    with atomic_file(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", mask.cpu().numpy().astype(np.uint8) * 255)[1].tobytes())


def encode_jpeg(subject: object, image: Float[Tensor, "3 h w"], *, quality: int) -> bytes:
    """RGB in [0, 1], with colours at half the resolution; `subject` is what an error names."""
    pixels = cv2.cvtColor(quantise(subject, image, 255).transpose(1, 2, 0), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def encode_pixels(image: UInt8[Tensor, "h w 3"]) -> bytes:
    """An 8 bit PNG of RGB."""
    return cv2.imencode(".png", cv2.cvtColor(image.cpu().numpy(), cv2.COLOR_RGB2BGR))[1].tobytes()


def encode_png16(subject: object, values: Float[Tensor, "h w"]) -> bytes:
    """What `write_png16` writes; `subject` is what an error names."""
    return cv2.imencode(".png", quantise(subject, torch.where(values.isnan(), 0.0, values), 65535))[1].tobytes()


def quantise(subject: object, values: Float[Tensor, "*shape"], levels: int) -> np.ndarray:
    """[0, 1] in whole steps 0..levels (uint8 or uint16); refuses what rounds to a step outside, and NaN."""
    steps = torch.round(values.detach().cpu().float() * levels)
    low, high = steps.min().item(), steps.max().item()
    if not (low >= 0 and high <= levels):  # also where they are NaN
        raise InputError(
            subject,
            expected="values in [0, 1]",
            found=f"{low / levels:.4g} to {high / levels:.4g}",
            fix="scale or clamp them first",
        )
    return steps.numpy().astype(np.uint8 if levels == 255 else np.uint16)


def require_suffix(path: Path, *suffixes: str) -> None:
    """Refuses an output name that ends otherwise."""
    if path.suffix.lower() not in suffixes:
        raise InputError(
            path, expected=f"a name in {' or '.join(suffixes)}", found=repr(path.suffix), fix="rename the output"
        )


def _encode(suffix: str, subject: object, image: Float[Tensor, "3 h w"]) -> bytes:
    pixels = cv2.cvtColor(quantise(subject, image, 255).transpose(1, 2, 0), cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _decode(path: Path, flags: int) -> np.ndarray:
    existing_file(path, expected="an image")
    data = path.read_bytes() if cv2.haveImageReader(str(path)) else b""  # never the whole of a file of another kind
    _require_bounded(path, stated_size(data))
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        found = "an empty file" if path.stat().st_size == 0 else "something else or a damaged file"
        raise InputError(path, expected="an image", found=found, fix="convert it to PNG or JPEG, or copy it again")
    _require_bounded(path, pixels.shape[:2])
    return pixels


def _require_bounded(path: Path, size: tuple[int, ...] | None) -> None:
    if size is not None and max(size) > MAX_SIDE:
        raise InputError(
            path, expected=f"at most {MAX_SIDE} pixels a side", found=f"{size[1]} x {size[0]}", fix="make it smaller"
        )


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Height and width from the header of a PNG or JPEG, the formats in which a small file can hold a huge picture.

    Other formats are decoded first; OpenCV itself stops at 2^30 pixels. PNG specification 11.2.2; ITU-T T.81 B.2.2.
    """
    if data.startswith(b"\x89PNG"):
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _START_OF_FRAME:
            size = data[position + 5 : position + 9]
            return int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
        position += 1 if marker == 0xFF else 2 + length  # 0xFF may be repeated as filling
    return None
