"""Small sampled worlds, and what is reckoned of them without the oracle: where bodies carry points, what is seen."""

import torch
from scipy.spatial.transform import Rotation

from turnaround.geometry.projection import pixel_grid, unproject
from turnaround.scenes.sample import WorldSampler

HEIGHT, WIDTH, FRAMES = 24, 32, 3


STILL_SEEDS, MOVING_SEEDS = [1, 2, 8], [1, 5, 9]


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def sample(seed, *, moving, **settings):
    paths = {"orbit": 1.0, "dolly": 1.0, "handheld": 1.0}
    settings = {"height": HEIGHT, "width": WIDTH, "frames": FRAMES, "paths": paths} | settings
    return WorldSampler(moving=moving, **settings)(seed)


def points_of(observation, scene):
    """World points of every pixel of every frame, [t, h * w, 3]."""
    return unproject(observation.depth.double(), scene.camera).flatten(1, 2)


def turn(body, time):
    spin = Rotation.from_rotvec(body.motion.spin * time * body.motion.axis.numpy())
    return torch.from_numpy(spin.as_matrix()) @ body.motion.rotation


def carry(scene, points, ids, source, target):
    """Points [n, 3] that ride on their bodies [n] from one frame to another: by hand, with SciPy's rotations."""
    moved = points.clone()
    before, after = (frame * scene.world.seconds_per_frame for frame in (source, target))
    for number, body in enumerate(scene.world.bodies):
        on_body = (points[ids == number] - body.motion.position - before * body.motion.velocity) @ turn(body, before)
        there = on_body @ turn(body, after).T + body.motion.position + after * body.motion.velocity
        moved[ids == number] = there
    return moved


def interior(ids, pixels):
    """Whether the 3 x 3 pixels around positions [n, 2] lie in the image and show one body only; and which."""
    height, width = ids.shape
    x, y = pixels.floor().long().unbind(-1)
    inside = (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1)
    x, y = x.clamp(1, width - 2), y.clamp(1, height - 2)
    around = torch.stack([ids[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    return inside & (around == around[0]).all(dim=0), ids[y, x]


def lookup(image, pixels):
    """Bilinear samples of an image [c, h, w] at positions [n, 2], as [n, c]."""
    size = torch.tensor(image.shape[:0:-1], dtype=pixels.dtype)
    grid = (pixels / size * 2 - 1)[None, None]
    found = torch.nn.functional.grid_sample(image[None].to(pixels), grid, align_corners=False, padding_mode="border")
    return found[0, :, 0].T


def landings(scene, observation, direction, frame):
    """For the flow between `frame` and its successor: source and target frame, landing positions, visibility."""
    entry = observation.forward if direction == "forward" else observation.backward
    source, target = (frame, frame + 1) if direction == "forward" else (frame + 1, frame)
    grid = pixel_grid(HEIGHT, WIDTH, like=torch.zeros((), dtype=torch.float64)).reshape(-1, 2)
    pixels = grid + entry.pixels[frame].double().flatten(1).T
    return source, target, pixels, entry.visible[frame].flatten()


def all_landings(worlds):
    for scene, observation in worlds:
        for direction in ("forward", "backward"):
            for frame in range(FRAMES - 1):
                yield scene, observation, *landings(scene, observation, direction, frame)
