"""Small folders of mined clips, from procedural worlds: all that mining writes, with exact truth."""

import math
from dataclasses import replace

import torch

from turnaround.datasets.stereo4d_store import ClipReader, Stereo4DFolder, WithTracks
from turnaround.geometry.projection import pixel_grid
from turnaround.io.clip_disparity import ClipDisparityWriter
from turnaround.io.clip_quality import write_clip_quality
from turnaround.io.mined_files import mined_files
from turnaround.io.stereo4d import write_stereo4d
from turnaround.io.video import write_video
from turnaround.scenes.observe import film, surface, track
from turnaround.scenes.sample import WorldSampler
from turnaround.types import ClipQuality, Stereo4DClip

SIZE, FRAMES, BASELINE = 32, 6, 0.063


def world(seed, *, frames=FRAMES, size=SIZE):
    """A scene whose bodies move, seen by a square camera that moves."""
    paths = {"dolly": 1.0, "orbit": 1.0}
    return WorldSampler(height=size, width=size, frames=frames, moving=0.5, paths=paths)(seed)


def fov_of(scene):
    return 2 * math.degrees(math.atan(scene.camera.width / 2 / float(scene.camera.intrinsics[0, 0, 0])))


def tracked(scene, *, step=2):
    """Every `step`-th pixel of the first and the last frame, followed through all."""
    grid = pixel_grid(scene.camera.height, scene.camera.width, like=torch.zeros((), dtype=torch.float64))
    queries = grid[::step, ::step].reshape(-1, 2)
    found = [track(scene, queries, frame=frame) for frame in (0, len(scene.camera) - 1)]
    world, pixels, visible = (
        torch.cat([getattr(f, name) for f in found], 1) for name in ("world", "pixels", "visible")
    )
    return world.masked_fill(~visible[..., None], torch.nan), pixels.masked_fill(~visible[..., None], torch.nan)


def truth_of(scene, name="wor_ld-1_2000000", start=2_000_000):
    """The clip of the released format, and its quality: no error anywhere."""
    tracks, pixels = tracked(scene)
    frames, count = tracks.shape[:2]
    span = tracks.nan_to_num(nan=-math.inf).amax(0) - tracks.nan_to_num(nan=math.inf).amin(0)
    clip = Stereo4DClip(
        name=name,
        video_id=name.rpartition("_")[0],
        timestamps=start + 33_333 * torch.arange(frames),
        world_from_cam=scene.camera.world_from_cam,
        tracks=tracks,
        eye_from_rectified=torch.eye(3, dtype=torch.float64).expand(2, 3, 3).clone(),
        fov_bounds=torch.tensor([-90.0, 90.0, -90.0, 90.0], dtype=torch.float64),
    )
    quality = ClipQuality(
        horizontal_fov_deg=fov_of(scene),
        size=scene.camera.width,
        baseline=BASELINE,
        calibration=0.25,
        dropped={"sky": 3, "drift": 1},
        version="1 abc",
        pixels=pixels,
        lifted=tracks.clone(),
        sigma=torch.full((count,), 0.01),
        left_right=torch.full((count,), 0.1),
        vertical=torch.full((count,), 0.05),
        motion=span.norm(dim=-1).float() * 100,
        static_residual=span.norm(dim=-1).float(),
    )
    return clip, quality


def write_mined_clip(root, seed, *, frames=FRAMES, size=SIZE):
    """All files of one clip; returns its scene."""
    scene, name = world(seed, frames=frames, size=size), f"wor_ld-{seed}_2000000"
    clip, quality = truth_of(scene, name)
    files = mined_files(root, name)
    write_stereo4d(files.annotation, clip)
    write_clip_quality(files.quality, quality)
    write_video(files.left, film(scene, samples=1), fps=30.0)
    write_video(files.right, film(scene.right_eye(BASELINE), samples=1), fps=30.0)
    fx = float(scene.camera.intrinsics[0, 0, 0])
    with ClipDisparityWriter(
        files.disparity, frames=frames, height=size, width=size, fx=fx, baseline=BASELINE
    ) as writer:
        for frame in range(frames):
            writer.write(fx * BASELINE / surface(scene, frame).depth)
    return scene


def write_mined_folder(root, seeds, *, frames=FRAMES, size=SIZE):
    return {f"wor_ld-{seed}_2000000": write_mined_clip(root, seed, frames=frames, size=size) for seed in seeds}


def without_tracks(clip):
    return replace(clip, tracks=clip.tracks[:, :0])


def reader(**changes):
    settings = {"height": SIZE, "width": SIZE, "horizontal_fov_deg": 60.0, "baseline": 0.063, "limits": None}
    settings |= {"annotation": WithTracks(), "eyes": ["left", "right"]}
    return ClipReader(**(settings | changes))


def store_of(root, **changes):
    return Stereo4DFolder(root=str(root), videos=None, reader=reader(**changes))
