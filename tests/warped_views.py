"""Views to warp whose hole masks are known in closed form or from the oracle, and cameras to warp them to."""

import torch
from hand_made_worlds import body, looking_at, wall
from observed_worlds import sample, vector

from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.geometry.stereo import view_of_disparity
from turnaround.render.elements import Edges
from turnaround.render.shapes import Shape
from turnaround.scenes.observe import color, flow, surface
from turnaround.types import View

EDGES = Edges(depth_ratio=0.05, stretch=4.0)
HEIGHT, WIDTH = 20, 32
ROWS, COLUMNS = slice(5, 14), slice(12, 21)  # of the near plane in the left picture


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def two_planes(near, far):
    """A rectangle in front of a plane, with disparities in pixels: the left view and the right camera."""
    disparity = torch.full((HEIGHT, WIDTH), float(far))
    disparity[ROWS, COLUMNS] = near
    return view_of_disparity(noise(3, HEIGHT, WIDTH), disparity)


def seen_of_two_planes(near, far):
    """The left pixel that each right pixel shows, -1 for none: by the definition of disparity, at pixel centres."""
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    on_near, on_far = (column + 0.5 + near).floor().long(), (column + 0.5 + far).floor().long()
    in_rows = (row >= ROWS.start) & (row < ROWS.stop)
    near_seen = in_rows & (on_near >= COLUMNS.start) & (on_near < COLUMNS.stop)
    shadowed = in_rows & (on_far >= COLUMNS.start) & (on_far < COLUMNS.stop)
    far_seen = ~near_seen & ~shadowed & (on_far < WIDTH)
    return torch.where(near_seen, row * WIDTH + on_near, torch.where(far_seen, row * WIDTH + on_far, -1))


def pose(*, shift=(0.0, 0.0, 0.0), axis=(0.0, 1.0, 0.0), degrees=0.0):
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return rigid(rotation_about(vector(*axis), angle), vector(*shift))


MOVES = {
    "sideways": pose(shift=(0.4, 0.0, 0.0)),
    "up": pose(shift=(0.0, -0.3, 0.0)),
    "towards": pose(shift=(0.0, 0.0, 1.5)),
    "away": pose(shift=(0.2, 0.0, -1.0)),
    "roll": pose(shift=(0.3, 0.1, 0.0), axis=(0.0, 0.0, 1.0), degrees=30.0),
    "around": pose(shift=(1.2, 0.0, 0.25), degrees=-15.0),
}


def box_before_wall(move, *, height=96, width=128):
    """A scene of two frames: a box 4 m away, a wall at 8 m, the camera at rest and moved."""
    box = body(Shape.BOX, (0.7, 0.5, 0.1), (0.1, 0.0, 4.0))
    poses = torch.stack([pose(), MOVES[move]])
    return looking_at([*wall(distance=8.0), box], poses=poses, height=height, width=width)


def view_of(scene, frame=0):
    return View(
        image=color(scene, frame, samples=1).float(),
        depth=surface(scene, frame).depth,
        camera=scene.camera.at(frame),
    )


def exact_holes(scene, *, source, target):
    """Which pixels of frame `target` show a point that frame `source` does not see."""
    return ~flow(scene, target, source).visible[0]


def beside(mask, reach=1):
    """Pixels within `reach` of a border of the mask (in the 8-neighbourhood)."""
    padded = torch.nn.functional.pad(mask[None].float(), (reach,) * 4, mode="replicate")
    low = -torch.nn.functional.max_pool2d(-padded, 2 * reach + 1, stride=1)
    return (torch.nn.functional.max_pool2d(padded, 2 * reach + 1, stride=1) != low)[0]


def sampled(seed, *, height=48, width=64):
    """A sampled still world of 4 frames."""
    return sample(seed, moving=0.0, height=height, width=width, frames=4)
