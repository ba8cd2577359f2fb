"""Tracks with gaps as lists of samples: track by track, frames increasing, and nothing where nothing is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from turnaround.types import InputError

MAX_SPREAD = 2**33  # bytes of the tracks of a clip with their gaps: 200 frames of a million tracks take 2.4e9


def lengths_and_frames(known: Bool[Tensor, "t n"]) -> tuple[np.ndarray, np.ndarray]:
    """How many samples each track has, and the frame of each sample; both int64."""
    by_track = known.T
    return by_track.sum(1).numpy(), by_track.nonzero()[:, 1].numpy()


def gathered(values: Shaped[Tensor, "t n c"], known: Bool[Tensor, "t n"]) -> Shaped[np.ndarray, "s c"]:
    """The values of the samples, in the order of `lengths_and_frames`."""
    return values.transpose(0, 1)[known.T].numpy()


def spread(
    samples: Shaped[np.ndarray, "s c"], lengths: np.ndarray, frames: np.ndarray, *, count: int, chosen: Sequence[int]
) -> Shaped[Tensor, "t n c"]:
    """The other way, with NaN in the gaps, for chosen ones of `count` frames. The samples must be `require_sound`."""
    places = np.full(count, -1)
    places[list(chosen)] = np.arange(len(chosen))
    place, track = places[frames], np.repeat(np.arange(len(lengths)), lengths)
    asked = place >= 0
    tracks = np.full((len(chosen), len(lengths), samples.shape[1]), np.nan, dtype=samples.dtype)
    tracks[place[asked], track[asked]] = samples[asked]
    return torch.from_numpy(tracks)


def require_sound(path: Path, lengths: np.ndarray, frames: np.ndarray, *, count: int, width: int) -> None:
    """InputError: lengths that do not sum, frames that are not there or do not increase within their track, or tracks
    too large to spread. count: of frames. width: bytes of one sample."""
    fix = "write it again"
    if lengths.min(initial=0) < 0 or lengths.astype(np.float64).sum() != len(frames):
        found = (
            f"{len(frames)} samples of tracks whose lengths sum to {lengths.sum()}, the least {lengths.min(initial=0)}"
        )
        raise InputError(path, expected="as many samples as track_lengths say", found=found, fix=fix)
    if frames.size and not 0 <= frames.min() <= frames.max() < count:
        found = f"{frames.min()} to {frames.max()}"
        raise InputError(path, expected=f"track_indices from 0 to {count - 1}", found=found, fix=fix)
    track = np.repeat(np.arange(len(lengths)), lengths)
    backwards = (np.diff(frames) <= 0) & (np.diff(track) == 0)
    if backwards.any():
        place = int(backwards.argmax())
        found = f"{frames[place]}, then {frames[place + 1]} in track {track[place]}"
        raise InputError(path, expected="track_indices that increase within a track", found=found, fix=fix)
    if (size := count * len(lengths) * width) > MAX_SPREAD:
        found = f"{size} of {len(lengths)} tracks in {count} frames"
        raise InputError(path, expected=f"tracks of at most {MAX_SPREAD} bytes", found=found, fix="split it")
