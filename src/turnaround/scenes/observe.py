"""What a camera sees of a world, exactly: colour, depth, normals, ids, flow, tracks."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.geometry.projection import camera_rays, in_image, pixel_grid, project, project_equirectangular
from turnaround.render.raycast import Hits, Solid, cast, normals, sees
from turnaround.render.shade import shade
from turnaround.scenes.world import Scene, World
from turnaround.types import Camera, Flow, Pinhole, Tracks, Video

BAND = 1 << 16  # rays handled at once, so that memory does not grow with the image


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What the ray through each pixel centre meets, in one frame.

    depth: metres along z (along the ray for VR180). normals: world frame, towards the viewer's side.
    ids: index into `World.bodies`.
    """

    depth: Float[Tensor, "h w"]
    normals: Float[Tensor, "3 h w"]
    ids: Int[Tensor, "h w"]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A whole clip seen by one camera."""

    video: Float[Tensor, "t 3 h w"]
    depth: Float[Tensor, "t h w"]
    normals: Float[Tensor, "t 3 h w"]
    ids: Int[Tensor, "t h w"]
    forward: Flow
    backward: Flow


def observe(scene: Scene, *, samples: int = 2) -> Observation:
    """All frames. samples: colour rays per pixel side, for anti-aliasing."""
    frames = range(len(scene.camera))
    surfaces = [surface(scene, frame) for frame in frames]
    return Observation(
        video=film(scene, samples=samples),
        depth=torch.stack([s.depth for s in surfaces]),
        normals=torch.stack([s.normals for s in surfaces]),
        ids=torch.stack([s.ids for s in surfaces]),
        forward=_stack([flow(scene, frame, frame + 1) for frame in frames[:-1]], scene.camera),
        backward=backward_flow(scene),
    )


def film(scene: Scene, *, samples: int = 2) -> Video:
    """Colour of all frames."""
    return torch.stack([color(scene, frame, samples=samples) for frame in range(len(scene.camera))])


def film_vr180(scene: Scene, *, baseline: float, size: int) -> Video:
    """Side-by-side VR180: the half spheres of both eyes, the left eye on the left."""
    left = scene.vr180(size)
    return torch.cat([film(left), film(left.right_eye(baseline))], dim=-1)


def surface(scene: Scene, frame: int) -> Surface:
    """Depth, normals and ids of one frame, computed in float64."""
    camera, solids = scene.camera, scene.world.solids(frame)
    origin, direction = _rays(camera, frame, pixel_grid(camera.height, camera.width, like=origin_dtype(camera)))
    hits = cast(solids, origin, direction)
    points = origin + hits.t * direction
    size = (camera.height, camera.width)
    return Surface(
        depth=hits.t.float().reshape(size),
        normals=normals(solids, hits, points).float().reshape(3, *size),
        ids=hits.index.reshape(size),
    )


def color(scene: Scene, frame: int, *, samples: int = 2) -> Float[Tensor, "3 h w"]:
    """RGB in [0, 1]: the mean over samples x samples rays per pixel, on a regular grid; square root as gamma."""
    camera = scene.camera
    fine = (
        pixel_grid(camera.height * samples, camera.width * samples, like=torch.zeros((), dtype=torch.float32)) / samples
    )
    image = _color_at(scene, frame, fine).reshape(3, camera.height, samples, camera.width, samples)
    return image.mean(dim=(2, 4))


def color_of_corners(scene: Scene, frame: int) -> Float[Tensor, "3 h w"]:
    """As `color`, but each pixel is the mean of the rays through its corners, which it shares with its neighbours.

    About one ray per pixel, yet edges are smooth and nothing is shifted.
    """
    height, width = scene.camera.height, scene.camera.width
    corners = pixel_grid(height + 1, width + 1, like=torch.zeros((), dtype=torch.float32)) - 0.5
    return color_between(scene, frame, corners)


def color_between(scene: Scene, frame: int, corners: Float[Tensor, "y x 2"]) -> Float[Tensor, "3 h w"]:
    """As `color_of_corners`, of pixels between the given corners: y = h + 1, x = w + 1. So a part can be made alone."""
    image = _color_at(scene, frame, corners)
    rows = image[:, 1:] + image[:, :-1]
    return (rows[..., 1:] + rows[..., :-1]) / 4


def _color_at(scene: Scene, frame: int, pixels: Float[Tensor, "h w 2"]) -> Float[Tensor, "3 h w"]:
    origin, direction = _rays(scene.camera, frame, pixels)
    solids = [solid.to(torch.float32) for solid in scene.world.solids(frame)]
    bands = direction.split(BAND, dim=1)
    radiance = torch.cat([_radiance(scene.world, solids, origin, band) for band in bands], dim=1)
    return radiance.clamp(0, 1).sqrt().reshape(3, *pixels.shape[:2])


def flow(scene: Scene, source: int, target: int) -> Flow:
    """Where each pixel of frame `source` is in frame `target`, and whether it is seen there (one entry)."""
    camera = scene.camera
    grid = pixel_grid(camera.height, camera.width, like=origin_dtype(camera))
    origin, direction = _rays(camera, source, grid)
    hits = cast(scene.world.solids(source), origin, direction)
    moved = _carry(scene.world, hits, origin + hits.t * direction, source, target)
    pixels, visible = _view(scene, moved, target)
    size = (camera.height, camera.width)
    return Flow(
        pixels=(pixels.reshape(*size, 2) - grid).movedim(-1, 0).float()[None], visible=visible.reshape(size)[None]
    )


def match(scene: Scene, other: Camera, frame: int) -> Flow:
    """Where each pixel of a frame is in what another camera sees at the same moment, and whether it is seen there."""
    camera = scene.camera
    grid = pixel_grid(camera.height, camera.width, like=origin_dtype(camera))
    origin, direction = _rays(camera, frame, grid)
    hits = cast(scene.world.solids(frame), origin, direction)
    pixels, visible = _view(replace(scene, camera=other), origin + hits.t * direction, frame)
    size = (camera.height, camera.width)
    return Flow(
        pixels=(pixels.reshape(*size, 2) - grid).movedim(-1, 0).float()[None], visible=visible.reshape(size)[None]
    )


def backward_flow(scene: Scene) -> Flow:
    """From each frame but the first to the one before."""
    return _stack([flow(scene, frame + 1, frame) for frame in range(len(scene.camera) - 1)], scene.camera)


def track(scene: Scene, pixels: Float[Tensor, "n 2"], *, frame: int) -> Tracks:
    """Follows the surface points seen at `pixels` of `frame` through all frames."""
    origin, direction = _rays(scene.camera, frame, pixels.to(origin_dtype(scene.camera)))
    hits = cast(scene.world.solids(frame), origin, direction)
    start = origin + hits.t * direction
    frames = range(len(scene.camera))
    world = [_carry(scene.world, hits, start, frame, other) for other in frames]
    seen = [_view(scene, points, other) for other, points in zip(frames, world, strict=True)]
    return Tracks(
        world=torch.stack([points.T for points in world]).float(),
        pixels=torch.stack([pixels for pixels, _ in seen]).float(),
        visible=torch.stack([visible for _, visible in seen]),
    )


def bodies_at(scene: Scene, pixels: Float[Tensor, "n 2"], *, frame: int) -> Int[Tensor, " n"]:
    """What is seen at pixels of a frame: indices into `World.bodies`."""
    origin, direction = _rays(scene.camera, frame, pixels.to(origin_dtype(scene.camera)))
    return cast(scene.world.solids(frame), origin, direction).index


def origin_dtype(camera: Camera) -> Float[Tensor, ""]:
    """A scalar of the dtype in which truth is computed (that of the poses)."""
    return camera.world_from_cam.new_zeros(())


def _rays(camera: Camera, frame: int, pixels: Float[Tensor, "*batch 2"]):
    """World rays [3, r] through pixels, from an origin [3, 1]. Sums written out: see `Solid.local`."""
    local = camera_rays(camera, frame, pixels).reshape(-1, 3)
    pose = camera.world_from_cam[frame].to(local)
    x, y, z = local.T.contiguous()
    direction = torch.stack([pose[i, 0] * x + pose[i, 1] * y + pose[i, 2] * z for i in range(3)])
    return pose[:3, 3:], direction


def _radiance(world: World, solids: list[Solid], origin: Tensor, direction: Float[Tensor, "3 r"]):
    hits = cast(solids, origin, direction)
    points = origin + hits.t * direction
    surface_normals = normals(solids, hits, points)
    albedo, gloss, emissive = torch.zeros_like(points), torch.zeros_like(hits.t), hits.index < 0
    lattice = world.lattice.float()
    for number, (body, solid) in enumerate(zip(world.bodies, solids, strict=True)):
        here = (hits.index == number).nonzero().squeeze(1)
        local = solid.local(points[:, here] - solid.position[:, None])
        albedo[:, here] = body.texture(local, solid.local(surface_normals[:, here]), lattice)
        gloss[here] = body.gloss
        emissive[here] = body.emissive
    lit = (~emissive).nonzero().squeeze(1)
    result = albedo.clone()
    result[:, lit] = shade(
        points=points[:, lit],
        normals=surface_normals[:, lit],
        towards_eye=-direction[:, lit],
        albedo=albedo[:, lit],
        gloss=gloss[lit],
        lights=world.lights,
        ambient=world.ambient,
        occluders=[solid for solid in solids if not solid.shape.is_shell],
    )
    return result


def _carry(world: World, hits: Hits, points: Float[Tensor, "3 r"], source: int, target: int) -> Float[Tensor, "3 r"]:
    """World points at frame `source` that ride on their bodies to frame `target`."""
    moved = points.clone()
    for number, (before, after) in enumerate(zip(world.solids(source), world.solids(target), strict=True)):
        if not world.bodies[number].motion.is_still:
            here = (hits.index == number).nonzero().squeeze(1)
            local = before.local(points[:, here] - before.position[:, None])
            moved[:, here] = after.world(local) + after.position[:, None]
    return moved


def _view(scene: Scene, points: Float[Tensor, "3 r"], frame: int):
    """Pixels [r, 2] of world points in a frame, and whether they are seen."""
    camera = scene.camera.at(frame)
    world = points.T[None]
    pixels, depth = project(world, camera) if isinstance(camera, Pinhole) else project_equirectangular(world, camera)
    eye = camera.world_from_cam[0, :3, 3:]
    inside = in_image(pixels[0], camera.height, camera.width) & (depth[0] > 0)
    return pixels[0], inside & sees(scene.world.solids(frame), eye, points)


def _stack(flows: list[Flow], camera: Camera) -> Flow:
    if not flows:
        size = (camera.height, camera.width)
        return Flow(pixels=torch.zeros(0, 2, *size), visible=torch.zeros(0, *size, dtype=torch.bool))
    return Flow(pixels=torch.cat([f.pixels for f in flows]), visible=torch.cat([f.visible for f in flows]))
