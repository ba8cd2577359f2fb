"""A person's picture of any usual kind, at a size to work with, with what its file says about opacity and the lens."""

import math
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import torch
from jaxtyping import Float
from PIL import ExifTags, Image
from torch import Tensor

from turnaround.io.existing import existing_file
from turnaround.io.image import MAX_SIDE
from turnaround.types import InputError

MAX_PIXELS = 200_000_000  # the largest that phones take; 2.4 GB as float32
MIN_SIDE = 16  # pixels, of what is returned
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow itself refuses twice as many
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
FILM_DIAGONAL = math.hypot(36, 24)  # mm
FIX = "convert it to PNG or JPEG, or copy it again"
# What a decoder may raise at damage: each of Pillow's has its own.
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error)
RAW = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"})  # Pillow finds their thumbnails
DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "L", "LA", "RGB", "RGBA"})

# EXIF's orientation (CIPA DC-008, 4.6.4 A): what makes rows run down and columns to the right.
_UPRIGHT = MappingProxyType(
    {
        2: np.fliplr,
        3: lambda pixels: np.rot90(pixels, 2),
        4: np.flipud,
        5: lambda pixels: np.rot90(np.fliplr(pixels)),
        6: lambda pixels: np.rot90(pixels, -1),
        7: lambda pixels: np.rot90(np.fliplr(pixels), -1),
        8: np.rot90,
    }
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture as it is seen.

    image: RGB in [0, 1], by the stored (sRGB) values; where alpha is 0 they mean nothing. alpha: opacity in [0, 1],
    None where the file has none. focal: in pixels of this image, None where the file does not state it. notes: what
    was left out, for a person to read.
    """

    image: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "h w"] | None
    focal: float | None
    notes: tuple[str, ...] = ()


def read_picture(path: Path, *, longest: int) -> Picture:
    """A picture of 8 or 16 bits, grey, in colour, CMYK or with a palette, turned upright and never enlarged.

    longest: pixels of the longer side at most; larger ones are averaged over areas, keeping their shape, weighted by
    opacity. Of animations and files with several pages the first picture is taken. The focal length is from EXIF's
    FocalLengthIn35mmFilm, taken by the diagonal, as camera makers state it (CIPA DCG-001): that of a 36 x 24 mm film
    is the picture's. It is wrong for one that was cut without a change of its EXIF.

    Errors: another kind of file, damage, a side of more than `MAX_SIDE` pixels or more than `MAX_PIXELS` in all (told
    before they are decoded), a side of less than `MIN_SIDE` as returned, other than 8 or 16 bits.
    """
    existing_file(path, expected="a picture")
    if path.suffix.lower() in RAW:
        raise _other(path, "a camera's raw file", "develop it to JPEG or PNG")
    with _opened(path) as picture:
        _require_size(path, *picture.size, longest)
        count = _count(picture)
        if picture.format in ("JPEG", "MPO"):
            picture.draft(None, (2 * longest, 2 * longest))  # decodes fewer pixels, but at least so many
        try:
            picture.load()
            pixels = _pixels(path, picture)
        except DAMAGE as error:
            raise _other(path, f"a damaged file ({error})", FIX) from error
        exif = _exif(picture)
    pixels = _UPRIGHT.get(exif.get(ExifTags.Base.Orientation, 1), np.asarray)(pixels)
    scaled = _scaled(np.ascontiguousarray(pixels), _size(pixels.shape[0], pixels.shape[1], longest))
    channels = torch.from_numpy(scaled).permute(2, 0, 1).contiguous()
    film = exif.get(ExifTags.Base.FocalLengthIn35mmFilm, 0)  # mm, 0 where it is unknown
    return Picture(
        image=channels[:3],
        alpha=channels[3] if len(channels) == 4 else None,
        focal=film * math.hypot(*channels.shape[1:]) / FILM_DIAGONAL if film > 0 else None,
        notes=(f"{path}: the first of its {count} pictures is taken",) if count > 1 else (),
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file with its header read, nothing decoded."""
    with path.open("rb") as file:  # by its name Pillow would map it, which garbles turned TIFF with opacity (13.0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of damaged EXIF, and of Pillow's own limit, which is not ours
                picture = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError as error:
            found = "more than Pillow opens"
            raise InputError(
                path, expected=f"at most {MAX_PIXELS} pixels", found=found, fix="make it smaller"
            ) from error
        except DAMAGE as error:
            raise _other(path, *_kind(path)) from error
        with picture:
            yield picture


def _kind(path: Path) -> tuple[str, str]:
    """What a file is that Pillow does not open, and the way out."""
    with path.open("rb") as file:
        head = file.read(1024)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "an empty file", "copy it again"
    if head.startswith(b"%PDF"):
        return "a PDF", "export the page as PNG"
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in text:
        return "an SVG drawing", "export it as PNG"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "a HEIC picture", "export it as JPEG, or set the camera to the most compatible format"
    if head[4:8] == b"ftyp" or head.startswith(b"\x1a\x45\xdf\xa3") or head[8:12] == b"AVI ":
        return "a video", "save one of its frames as PNG"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "a JPEG XL picture", "convert it to PNG or JPEG"
    return "something else or a damaged file", FIX


def _other(path: Path, found: str, fix: str) -> InputError:
    return InputError(path, expected="a picture", found=found, fix=fix)


def _size(height: int, width: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(height, width))
    return round(height * scale), round(width * scale)


def _require_size(path: Path, width: int, height: int, longest: int) -> None:
    found = f"{width} x {height}"
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        expected = f"at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all"
        raise InputError(path, expected=expected, found=found, fix="make it smaller")
    size = _size(height, width, longest)
    if min(size) < MIN_SIDE:
        if max(width, height) > longest:
            found += f", made {size[1]} x {size[0]}"
        expected = f"at least {MIN_SIDE} pixels a side"
        raise InputError(path, expected=expected, found=found, fix="take a larger or less narrow picture")


def _count(picture: Image.Image) -> int:
    """How many pictures are in an animation or a file of pages; a phone's second picture in a JPEG is none to tell."""
    try:
        return 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))
    except DAMAGE:  # behind the first
        return 1


def _pixels(path: Path, picture: Image.Image) -> np.ndarray:
    """[h w 3 or 4] in 8 or 16 bits of a picture that is loaded. Pillow has no colours of 16 bits: OpenCV reads them."""
    bits = _bits(path, picture)
    if bits not in (8, 16):
        raise InputError(path, expected="8 or 16 bits per channel", found=f"{bits}", fix="convert it to PNG or JPEG")
    if bits == 16 and picture.mode in DEEP_MODES:
        flags = cv2.IMREAD_UNCHANGED  # alpha and all, not turned
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
        if pixels is None or pixels.dtype != np.uint16:
            raise ValueError("its 16 bits cannot be read")
        kind = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
        return cv2.cvtColor(pixels, kind[1 if pixels.ndim == 2 else pixels.shape[2]])
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def _bits(path: Path, picture: Image.Image) -> int:
    """Bits per channel that are to be kept; fewer than 8 become 8."""
    if picture.format == "PNG":  # PNG specification 11.2.2
        with path.open("rb") as file:
            return max(8, file.read(25)[24])
    stated = picture.tag_v2.get(258, (8,)) if picture.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    return max(8, *stated)


def _exif(picture: Image.Image) -> Mapping[int, int]:
    """Whole numbers of the picture and of its camera; none where it is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = picture.getexif()
            stated = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except DAMAGE:
        return {}
    return {key: value for key, value in stated.items() if isinstance(value, int)}


def _scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 in [0, 1]; hidden colours do not bleed into what is seen."""
    most = np.float32(np.iinfo(pixels.dtype).max)
    if pixels.shape[:2] == size:
        return pixels.astype(np.float32) / most
    if pixels.shape[2] == 3:
        return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / most
    share = pixels.astype(np.float32) / most
    share[..., :3] *= share[..., 3:]
    share = cv2.resize(share, size[::-1], interpolation=cv2.INTER_AREA)
    share[..., :3] /= np.maximum(share[..., 3:], np.finfo(np.float32).tiny)
    return share.clip(0, 1)
