"""`splat.forward_splat` for the CPU, compiled by numba: the same formulas in the same order, pixel by pixel."""

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
    _test(depth, u, v, z, links, matrix, edges.stretch, nearest, source)
    warped, out_depth = np.zeros((len(image), *size), dtype=np.float32), np.full(size, np.nan, dtype=np.float32)
    _look_up(image, depth, u, v, z, links, matrix, edges.stretch, source, warped, out_depth)
    source = torch.from_numpy(source)
    return Warped(image=torch.from_numpy(warped), depth=torch.from_numpy(out_depth), hole=source < 0, source=source)


@njit(cache=True)
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


@njit(cache=True)
@no_type_check
def _link(depth, u, v, z, ratio, stretch, links):
    """Marks the neighbours of each pixel that are on its surface."""
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            if column + 1 < width and _same(depth, u, v, z, ratio, stretch, row, column, row, column + 1):
                links[row, column] |= RIGHT
                links[row, column + 1] |= LEFT
            if row + 1 < height and _same(depth, u, v, z, ratio, stretch, row, column, row + 1, column):
                links[row, column] |= DOWN
                links[row + 1, column] |= UP


@njit(cache=True)
@no_type_check
def _same(depth, u, v, z, ratio, stretch, row, column, other_row, other_column):
    one, other = depth[row, column], depth[other_row, other_column]
    near = abs(one - other) < ratio * max(one, other)
    close_u = abs(u[other_row, other_column] - u[row, column]) <= stretch
    close_v = abs(v[other_row, other_column] - v[row, column]) <= stretch
    return (z[row, column] > 0) & (z[other_row, other_column] > 0) & near & close_u & close_v


@njit(cache=True)
@no_type_check
def _test(depth, u, v, z, links, matrix, stretch, nearest, source):
    """The z-test: each element is written where it is nearer than all before."""
    height, width = depth.shape
    rows, columns = source.shape
    for row in range(height):
        for column in range(width):
            if z[row, column] == 0:
                continue
            near = np.float32(z[row, column])
            ru, rv, lu, lv = _halves(depth, u, v, z, links, matrix, stretch, row, column, 0)
            du, dv, uu, uv = _halves(depth, u, v, z, links, matrix, stretch, row, column, 1)
            at_u, at_v = u[row, column], v[row, column]
            first_column = _first(at_u + (min(ru, lu, 0.0) + min(du, uu, 0.0)), columns)
            last_column = _first(at_u + (max(ru, lu, 0.0) + max(du, uu, 0.0)), columns)
            first_row = _first(at_v + (min(rv, lv, 0.0) + min(dv, uv, 0.0)), rows)
            last_row = _first(at_v + (max(rv, lv, 0.0) + max(dv, uv, 0.0)), rows)
            for r in range(first_row, last_row):
                for c in range(first_column, last_column):
                    if near < nearest[r, c]:
                        nearest[r, c] = near
                        source[r, c] = row * width + column


@njit(cache=True)
@no_type_check
def _look_up(image, depth, u, v, z, links, matrix, stretch, source, warped, out_depth):
    """Colour and depth at each pixel's place in the view; winners seen from behind become holes."""
    width = depth.shape[1]
    for r in range(source.shape[0]):
        for c in range(source.shape[1]):
            if source[r, c] < 0:
                continue
            row, column = source[r, c] // width, source[r, c] % width
            ru, rv, lu, lv = _halves(depth, u, v, z, links, matrix, stretch, row, column, 0)
            du, dv, uu, uv = _halves(depth, u, v, z, links, matrix, stretch, row, column, 1)
            xu, xv, yu, yv = ru - lu, rv - lv, du - uu, dv - uv
            area = xu * yv - xv * yu
            if not area > 0:
                source[r, c] = -1
                continue
            off_u, off_v = c + 0.5 - u[row, column], r + 0.5 - v[row, column]
            dx, dy = (yv * off_u - yu * off_v) / area, (xu * off_v - xv * off_u) / area
            on_x, on_y = LEFT if dx < 0 else RIGHT, UP if dy < 0 else DOWN
            here = links[row, column]
            beside, ax = _step(column, dx, here & on_x)
            below, ay = _step(row, dy, here & on_y)
            corner = (links[below, column] & on_x) or (links[row, beside] & on_y)
            w0, w1, w2, w3 = (1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, (ax * ay if corner else 0.0)
            total = w0 + w1 + w2 + w3
            inverse = w0 / z[row, column] + w1 / z[row, beside] + w2 / z[below, column]
            if corner:
                inverse += w3 / z[below, beside]
            out_depth[r, c] = total / inverse
            for channel in range(image.shape[0]):
                value = w0 * image[channel, row, column] + w1 * image[channel, row, beside]
                value += w2 * image[channel, below, column] + w3 * image[channel, below, beside]
                warped[channel, r, c] = value / total


@njit(cache=True)
@no_type_check
def _halves(depth, u, v, z, links, matrix, stretch, row, column, axis):
    """Half-way vectors to the next pixel along an axis and to the one before: u, v of one and of the other."""
    down, right = axis, 1 - axis
    at_u, at_v, here = u[row, column], v[row, column], links[row, column]
    ahead, behind = here & (DOWN if axis else RIGHT), here & (UP if axis else LEFT)
    ahead_u = ahead_v = behind_u = behind_v = 0.0
    if ahead:
        ahead_u = 0.5 * (u[row + down, column + right] - at_u)
        ahead_v = 0.5 * (v[row + down, column + right] - at_v)
    if behind:
        behind_u = 0.5 * (u[row - down, column - right] - at_u)
        behind_v = 0.5 * (v[row - down, column - right] - at_v)
    if ahead and behind and ahead_u * behind_u + ahead_v * behind_v <= 0:
        return ahead_u, ahead_v, behind_u, behind_v
    scale = 0.5 * (depth[row, column] / z[row, column])
    most = 0.5 * stretch
    facing_u = _snap(min(max(scale * (matrix[0, axis] - at_u * matrix[2, axis]), -most), most))
    facing_v = _snap(min(max(scale * (matrix[1, axis] - at_v * matrix[2, axis]), -most), most))
    if not ahead:
        ahead_u, ahead_v = facing_u, facing_v
    if not behind:
        behind_u, behind_v = -facing_u, -facing_v
    if ahead_u * behind_u + ahead_v * behind_v > 0:
        return facing_u, facing_v, -facing_u, -facing_v
    return ahead_u, ahead_v, behind_u, behind_v


@njit(cache=True)
@no_type_check
def _step(place, offset, linked):
    """The neighbour towards which an offset points, and how far; the place itself where they are not linked."""
    if not linked:
        return place, 0.0
    return (place - 1 if offset < 0 else place + 1), min(abs(offset), REACH)


@njit(cache=True)
@no_type_check
def _first(low, count):
    """The first pixel, of 0 to `count`, whose centre is not below `low`."""
    return int(min(max(np.ceil(low - 0.5), 0.0), float(count)))


@njit(cache=True)
@no_type_check
def _snap(position):
    """As torch rounds: to the nearest, halves to even."""
    return np.rint(position * GRID) * (1 / GRID)
