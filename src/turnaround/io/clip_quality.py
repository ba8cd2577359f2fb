"""How far a mined clip can be trusted, in a file beside it."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from turnaround.io.npz import Expected, read_arrays, write_npz
from turnaround.io.track_samples import gathered, lengths_and_frames, require_sound, spread
from turnaround.types import ClipQuality, InputError

FORMAT = 1
MAX_BYTES = 2**32
WHAT = "an .npz of a clip's quality"
NUMBERS = ("float32", "float64")
OF_CLIP = ("horizontal_fov_deg", "baseline", "calibration")
OF_TRACKS = ("sigma", "left_right", "vertical", "motion", "static_residual")
FIGURES = {
    "format": Expected(dtypes=("int64",)),
    "version": Expected(dtypes=("str",)),
    "dropped": Expected(dtypes=("str",)),
    "size": Expected(dtypes=("int64",)),
    **dict.fromkeys(OF_CLIP, Expected(dtypes=("float64",))),
    **dict.fromkeys(OF_TRACKS, Expected(dtypes=NUMBERS, shape=("n",))),
}
SAMPLES = {
    "frames": Expected(dtypes=("int64",)),
    "track_lengths": Expected(dtypes=("int64",), shape=("n",)),
    "track_indices": Expected(dtypes=("int64",), shape=("s",)),
    "track_pixels": Expected(dtypes=NUMBERS, shape=("s", 2)),
    "track_lifted": Expected(dtypes=NUMBERS, shape=("s", 3)),
}


def write_clip_quality(path: Path, quality: ClipQuality) -> None:
    """Numbers in the precision they have; the same quality gives the same bytes."""
    known = ~quality.pixels.isnan().all(-1) | ~quality.lifted.isnan().all(-1)
    lengths, frames = lengths_and_frames(known)
    scalars = {name: np.float64(getattr(quality, name)) for name in OF_CLIP}
    arrays = {
        "format": np.int64(FORMAT),
        "version": quality.version,
        "dropped": json.dumps(dict(quality.dropped), sort_keys=True, ensure_ascii=False),
        "size": np.int64(quality.size),
        **{name: np.asarray(value) for name, value in scalars.items()},
        **{name: getattr(quality, name) for name in OF_TRACKS},
        "frames": np.int64(len(quality.pixels)),
        "track_lengths": lengths,
        "track_indices": frames,
        "track_pixels": gathered(quality.pixels, known),
        "track_lifted": gathered(quality.lifted, known),
    }
    write_npz(
        path, {key: np.asarray(value) if isinstance(value, np.generic) else value for key, value in arrays.items()}
    )


def read_clip_quality(path: Path) -> ClipQuality:
    """InputError: another format, or one that is damaged."""
    stored = read_arrays(path, {**FIGURES, **SAMPLES}, what=WHAT, most=MAX_BYTES)
    lengths, frames, count = stored["track_lengths"], stored["track_indices"], int(stored["frames"])
    if not 0 <= count < 2**31:
        raise InputError(f"{path}, key 'frames'", expected="a number of frames", found=str(count), fix="mine it again")
    require_sound(path, lengths, frames, count=count, width=5 * stored["track_lifted"].itemsize)
    return _quality(
        path,
        stored,
        pixels=spread(stored["track_pixels"], lengths, frames, count=count, chosen=range(count)),
        lifted=spread(stored["track_lifted"], lengths, frames, count=count, chosen=range(count)),
    )


def read_quality_figures(path: Path) -> ClipQuality:
    """As `read_clip_quality`, without what is large: its `pixels` and `lifted` have no frames."""
    stored = read_arrays(path, FIGURES, what=WHAT, most=MAX_BYTES)
    tracks = len(stored["sigma"])
    return _quality(path, stored, pixels=torch.zeros(0, tracks, 2), lifted=torch.zeros(0, tracks, 3))


def _quality(path: Path, stored: dict[str, np.ndarray], *, pixels: torch.Tensor, lifted: torch.Tensor) -> ClipQuality:
    if (version := int(stored["format"])) != FORMAT:
        fix = "mine it again, or use the version that wrote it"
        raise InputError(f"{path}, key 'format'", expected=str(FORMAT), found=str(version), fix=fix)
    scalars = {name: float(stored[name]) for name in OF_CLIP}
    size, fov, baseline = int(stored["size"]), scalars["horizontal_fov_deg"], scalars["baseline"]
    if not (size > 0 and 0 < fov < 180 and 0 < baseline < math.inf):
        found = f"{size}, {fov:g} and {baseline:g}"
        expected = "a size above 0, horizontal_fov_deg from 0 to 180, a baseline above 0"
        raise InputError(path, expected=expected, found=found, fix="mine it again")
    return ClipQuality(
        horizontal_fov_deg=fov,
        baseline=baseline,
        calibration=scalars["calibration"],
        size=size,
        dropped=_dropped(path, str(stored["dropped"])),
        version=str(stored["version"]),
        pixels=pixels,
        lifted=lifted,
        **{name: torch.from_numpy(stored[name]) for name in OF_TRACKS},
    )


def _dropped(path: Path, text: str) -> dict[str, int]:
    try:
        counts = json.loads(text)
    except (ValueError, RecursionError):
        counts = None
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        expected = "a JSON object of whole numbers"
        raise InputError(f"{path}, key 'dropped'", expected=expected, found=repr(text[:40]), fix="mine it again")
    return counts
