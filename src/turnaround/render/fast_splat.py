"""`splat.forward_splat` for the CPU, compiled by numba: the same formulas in the same order, pixel by pixel.

Functions that are called per pixel take numbers only: numba counts references of each array that it hands over, which
costs more than all the rest.
"""

from typing import no_type_check

import numpy as np
import torch
from numba import njit

from turnaround.render.elements import GRID, NEAR, Edges, pixel_map, require_sound
from turnaround.render.splat import REACH
from turnaround.types import Pinhole, View, Warped

RIGHT, LEFT, DOWN, UP = 1, 2, 4, 8  # bits: neighbours on the same surface


def forward_splat(view: View, camera: Pinhole, *, edges: Edges) -> Warped:
    """See `splat.forward_splat`: masks and sources are the same, colours and depths up to rounding; no gradients."""
    require_sound(view, camera)
    matrix = pixel_map(view.camera, camera).numpy()
    depth = view.depth.detach().cpu().double().contiguous().numpy()
    image = view.image.detach().cpu().float().contiguous().numpy()
    u, v, z = np.empty_like(depth), np.empty_like(depth), np.empty_like(depth)
    _project(depth, matrix, u, v, z)
    links = np.zeros(depth.shape, dtype=np.uint8)
    _link(depth, u, v, z, edges.depth_ratio, edges.stretch, links)
    size = (camera.height, camera.width)
    nearest, source = np.full(size, np.inf, dtype=np.float32), np.full(size, -1, dtype=np.int64)
    along = np.empty((*depth.shape, 4))
    _test(depth, u, v, z, links, matrix, edges.stretch, along, nearest, source)
    warped, out_depth = np.zeros((len(image), *size), dtype=np.float32), np.full(size, np.nan, dtype=np.float32)
    _look_up(image, u, v, z, links, along, source, warped, out_depth)
    source = torch.from_numpy(source)
    return Warped(image=torch.from_numpy(warped), depth=torch.from_numpy(out_depth), hole=source < 0, source=source)


@njit(cache=True, error_model="numpy")
@no_type_check
def _project(depth, matrix, u, v, z):
    """Positions of all pixels, rounded to the grid; z = 0 where unknown."""
    height, width = depth.shape
    for row in range(height):
        y = row + 0.5
        for column in range(width):
            x, d = column + 0.5, depth[row, column]
            known = 0 < d < np.inf
            d = d if known else 1.0
            a = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) * d + matrix[0, 3]
            b = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) * d + matrix[1, 3]
            c = (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]) * d + matrix[2, 3]
            known = known and c > NEAR
            c = c if known else 1.0
            u[row, column] = _snap(a / c)
            v[row, column] = _snap(b / c)
            z[row, column] = c if known else 0.0


@njit(cache=True, error_model="numpy")
@no_type_check
def _link(depth, u, v, z, ratio, stretch, links):
    """Marks the neighbours of each pixel that are on its surface."""
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            d, at_u, at_v = depth[row, column], u[row, column], v[row, column]
            if z[row, column] == 0:
                continue
            if column + 1 < width and z[row, column + 1] > 0:
                gap_u, gap_v = u[row, column + 1] - at_u, v[row, column + 1] - at_v
                if _one_surface(d, depth[row, column + 1], gap_u, gap_v, ratio, stretch):
                    links[row, column] |= RIGHT
                    links[row, column + 1] |= LEFT
            if row + 1 < height and z[row + 1, column] > 0:
                gap_u, gap_v = u[row + 1, column] - at_u, v[row + 1, column] - at_v
                if _one_surface(d, depth[row + 1, column], gap_u, gap_v, ratio, stretch):
                    links[row, column] |= DOWN
                    links[row + 1, column] |= UP


@njit(cache=True, error_model="numpy")
@no_type_check
def _test(depth, u, v, z, links, matrix, stretch, along, nearest, source):
    """The z-test: each element is written where it is nearer than all before. along: its derivatives by x and y."""
    height, width = depth.shape
    rows, columns = source.shape
    by_x, by_y = (matrix[0, 0], matrix[1, 0], matrix[2, 0]), (matrix[0, 1], matrix[1, 1], matrix[2, 1])
    for row in range(height):
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        for column in range(width):
            if z[row, column] == 0:
                continue
            before, after = max(column - 1, 0), min(column + 1, width - 1)
            here, at = links[row, column], (u[row, column], v[row, column])
            scale = 0.5 * (depth[row, column] / z[row, column])
            after_at, before_at = (u[row, after], v[row, after]), (u[row, before], v[row, before])
            ru, rv, lu, lv = _halves(here & RIGHT, here & LEFT, at, after_at, before_at, scale, by_x, stretch)
            below_at, above_at = (u[below, column], v[below, column]), (u[above, column], v[above, column])
            du, dv, uu, uv = _halves(here & DOWN, here & UP, at, below_at, above_at, scale, by_y, stretch)
            along[row, column, 0], along[row, column, 1] = ru - lu, rv - lv
            along[row, column, 2], along[row, column, 3] = du - uu, dv - uv
            first_column = _first(at[0] + (min(ru, lu, 0.0) + min(du, uu, 0.0)), columns)
            last_column = _first(at[0] + (max(ru, lu, 0.0) + max(du, uu, 0.0)), columns)
            first_row = _first(at[1] + (min(rv, lv, 0.0) + min(dv, uv, 0.0)), rows)
            last_row = _first(at[1] + (max(rv, lv, 0.0) + max(dv, uv, 0.0)), rows)
            near = np.float32(z[row, column])
            for r in range(first_row, last_row):
                for c in range(first_column, last_column):
                    if near < nearest[r, c]:
                        nearest[r, c] = near
                        source[r, c] = row * width + column


@njit(cache=True, error_model="numpy")
@no_type_check
def _look_up(image, u, v, z, links, along, source, warped, out_depth):
    """Colour and depth at each pixel's place in the view; winners seen from behind become holes."""
    width = z.shape[1]
    for r in range(source.shape[0]):
        for c in range(source.shape[1]):
            if source[r, c] < 0:
                continue
            row, column = source[r, c] // width, source[r, c] % width
            xu, xv = along[row, column, 0], along[row, column, 1]
            yu, yv = along[row, column, 2], along[row, column, 3]
            area = xu * yv - xv * yu
            if not area > 0:
                source[r, c] = -1
                continue
            off_u, off_v = c + 0.5 - u[row, column], r + 0.5 - v[row, column]
            dx, dy = (yv * off_u - yu * off_v) / area, (xu * off_v - xv * off_u) / area
            on_x, on_y = LEFT if dx < 0 else RIGHT, UP if dy < 0 else DOWN
            beside, ax = _step(column, dx, links[row, column] & on_x)
            below, ay = _step(row, dy, links[row, column] & on_y)
            corner = (links[below, column] & on_x) | (links[row, beside] & on_y)
            w0, w1, w2, w3 = (1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, (ax * ay if corner else 0.0)
            total = w0 + w1 + w2 + w3
            inverse = w0 / z[row, column] + w1 / z[row, beside] + w2 / z[below, column]
            if w3 > 0:
                inverse += w3 / z[below, beside]
            out_depth[r, c] = total / inverse
            for channel in range(image.shape[0]):
                value = w0 * image[channel, row, column] + w1 * image[channel, row, beside]
                value += w2 * image[channel, below, column] + w3 * image[channel, below, beside]
                warped[channel, r, c] = value / total


@njit(cache=True, error_model="numpy")
@no_type_check
def _one_surface(one, other, gap_u, gap_v, ratio, stretch):
    return abs(one - other) < ratio * max(one, other) and abs(gap_u) <= stretch and abs(gap_v) <= stretch


@njit(cache=True, error_model="numpy")
@no_type_check
def _halves(ahead, behind, at, next_at, last_at, scale, by, stretch):
    """Half-way vectors to the next pixel along an axis and to the one before: u, v of one and of the other."""
    ahead_u, ahead_v = 0.5 * (next_at[0] - at[0]), 0.5 * (next_at[1] - at[1])
    behind_u, behind_v = 0.5 * (last_at[0] - at[0]), 0.5 * (last_at[1] - at[1])
    if ahead and behind and ahead_u * behind_u + ahead_v * behind_v <= 0:
        return ahead_u, ahead_v, behind_u, behind_v
    most = 0.5 * stretch
    facing_u = _snap(min(max(scale * (by[0] - at[0] * by[2]), -most), most))
    facing_v = _snap(min(max(scale * (by[1] - at[1] * by[2]), -most), most))
    if not ahead:
        ahead_u, ahead_v = facing_u, facing_v
    if not behind:
        behind_u, behind_v = -facing_u, -facing_v
    if ahead_u * behind_u + ahead_v * behind_v > 0:
        return facing_u, facing_v, -facing_u, -facing_v
    return ahead_u, ahead_v, behind_u, behind_v


@njit(cache=True, error_model="numpy")
@no_type_check
def _step(place, offset, linked):
    """The neighbour towards which an offset points, and how far; the place itself where they are not linked."""
    if not linked:
        return place, 0.0
    return (place - 1 if offset < 0 else place + 1), min(abs(offset), REACH)


@njit(cache=True, error_model="numpy")
@no_type_check
def _first(low, count):
    """The first pixel, of 0 to `count`, whose centre is not below `low`."""
    return int(min(max(np.ceil(low - 0.5), 0.0), float(count)))


@njit(cache=True, error_model="numpy")
@no_type_check
def _snap(position):
    """As torch rounds: to the nearest, halves to even."""
    return np.rint(position * GRID) * (1 / GRID)
