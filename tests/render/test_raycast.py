import pytest
import torch

from turnaround.geometry.se3 import rotation_about
from turnaround.render.raycast import Solid, cast, normals, sees
from turnaround.render.shapes import Shape, intersect

SOLIDS = [shape for shape in Shape if not shape.is_shell]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def solid(shape, size, position, rotation=None):
    rotation = torch.eye(3, dtype=torch.float64) if rotation is None else rotation
    return Solid(shape=shape, size=vector(*size), rotation=rotation, position=vector(*position))


def crowd(seed, shells=True):
    """Some of every shape, big, small and thin, turned and overlapping, in a room that stands on the ground."""
    count = 3 * len(SOLIDS)
    sizes = 0.02 + random(count, 3, seed=seed).abs() * 0.5
    places = random(count, 3, seed=seed + 1) * 2
    turns = rotation_about(random(count, 3, seed=seed + 2), random(count, seed=seed + 3) * 3)
    bodies = [solid(SOLIDS[i % len(SOLIDS)], sizes[i].tolist(), places[i].tolist(), turns[i]) for i in range(count)]
    walls = [solid(Shape.ROOM, (6, 5, 7), (0, 0, 0)), solid(Shape.DOME, (20, 18, 19), (0, 3, 0))]
    return [*bodies, *walls, solid(Shape.GROUND, (1, 1, 1), (0, 3, 0))] if shells else bodies


def every_hit(solids, origin, direction):
    """t of every solid and every ray, with nothing culled."""
    rows = []
    for s in solids:
        local_origin = s.rotation.T @ (origin - s.position[:, None]).expand_as(direction)
        rows.append(intersect(s.shape, s.size, local_origin, s.rotation.T @ direction))
    return torch.stack(rows)


def rays(count, seed):
    """From amid the crowd, so that some start inside bounding spheres; lengths differ; some along axes."""
    direction = random(3, count, seed=seed) * torch.linspace(0.1, 30, count).double()
    direction[:, ::5] = torch.eye(3).double()[:, torch.arange(len(direction[0, ::5])) % 3]
    return random(3, count, seed=seed + 1) * 2.5, direction


@pytest.mark.parametrize("seed", [0, 10, 20])
@pytest.mark.parametrize("shells", [True, False])
def test_cast_finds_what_testing_every_solid_finds(seed, shells):
    solids = crowd(seed, shells)
    for origin, direction in (rays(2000, seed), (vector(0.3, -0.2, -4)[:, None], random(3, 2000, seed=seed + 5))):
        everything = every_hit(solids, origin, direction)
        nearest, index = everything.min(dim=0)
        hits = cast(solids, origin, direction)
        torch.testing.assert_close(hits.t, nearest, rtol=1e-9, atol=1e-9)
        assert torch.equal(hits.index, torch.where(nearest.isfinite(), index, -1))
        assert (hits.index == -1).any() != shells  # within shells no ray escapes


@pytest.mark.parametrize("seed", [0, 10, 20])
@pytest.mark.parametrize("margin", [0.0, 1e-3, 0.2])
def test_points_see_each_other_unless_some_solid_is_entered_between(seed, margin):
    solids = crowd(seed)
    end = random(3, 2000, seed=seed + 8) * 2.5
    for start in (random(3, 2000, seed=seed + 7) * 2.5, vector(0.3, -0.2, -4)[:, None]):
        way = end - start
        length = way.norm(dim=0)
        free = (every_hit(solids, start, way / length) >= length * (1 - margin)).all(dim=0)
        assert 200 < free.sum() < 1800
        assert torch.equal(sees(solids, start, end, margin=margin), free)


def test_what_is_hit_is_seen_and_what_lies_behind_is_not():
    solids = crowd(3)
    eye, direction = vector(0.2, 0.1, -4.5)[:, None], random(3, 1000, seed=9)
    hits = cast(solids, eye, direction)
    assert sees(solids, eye, eye + hits.t * direction).all()
    assert not sees(solids, eye, eye + hits.t * 1.01 * direction).any()


def test_a_hit_is_independent_of_the_frame_it_is_described_in():
    """Turning and moving all solids and rays together changes no t and turns the normals."""
    turn, shift = rotation_about(vector(1, 2, 3), torch.tensor(0.8).double()), vector(4, -5, 6)
    solids = crowd(4, shells=False)
    moved = [
        Solid(shape=s.shape, size=s.size, rotation=turn @ s.rotation, position=turn @ s.position + shift)
        for s in solids
    ]
    origin, direction = vector(0.2, 0.1, -4.5)[:, None], random(3, 500, seed=2)
    here, there = cast(solids, origin, direction), cast(moved, turn @ origin + shift[:, None], turn @ direction)
    torch.testing.assert_close(here.t, there.t, rtol=1e-7, atol=0)
    found = normals(solids, here, origin + here.t * direction)
    moved_points = turn @ (origin + here.t * direction) + shift[:, None]
    torch.testing.assert_close(turn @ found, normals(moved, there, moved_points), rtol=0, atol=1e-6)


def test_normals_face_the_viewer_and_are_zero_without_a_hit():
    solids = crowd(5, shells=False)
    origin, direction = vector(0.2, 0.1, -6)[:, None], random(3, 2000, seed=3)
    hits = cast(solids, origin, direction)
    found = normals(solids, hits, origin + hits.t * direction)
    hit = hits.index >= 0
    assert hit.any()
    assert (~hit).any()
    torch.testing.assert_close(found[:, hit].norm(dim=0), torch.ones(hit.sum()).double())
    assert ((found * direction).sum(dim=0)[hit] < 1e-9).all()
    assert (found[:, ~hit] == 0).all()


def test_normals_inside_shells_face_the_viewer():
    solids = crowd(6)[-3:]
    origin, direction = vector(0.2, 0.1, -4)[:, None], random(3, 500, seed=3)
    hits = cast(solids, origin, direction)
    found = normals(solids, hits, origin + hits.t * direction)
    assert set(hits.index.tolist()) == {0, 2}
    assert ((found * direction).sum(dim=0) < 0).all()


def test_the_first_of_two_equal_solids_is_hit():
    box = solid(Shape.BOX, (1, 1, 1), (0, 0, 5))
    hits = cast([box, box], vector(0, 0, 0)[:, None], vector(0, 0, 2)[:, None])
    assert (hits.t.item(), hits.index.item()) == (2, 0)


def test_nothing_to_hit():
    hits = cast([], vector(0, 0, 0)[:, None], random(3, 4))
    assert hits.t.isposinf().all()
    assert (hits.index == -1).all()
    assert sees([], vector(0, 0, 0)[:, None], random(3, 4)).all()


def test_local_and_world_directions_are_each_others_inverse():
    turned = solid(Shape.BOX, (1, 1, 1), (0, 0, 0), rotation_about(vector(1, -2, 0.5), torch.tensor(1.1).double()))
    vectors = random(3, 50)
    torch.testing.assert_close(turned.world(vectors), turned.rotation @ vectors)
    torch.testing.assert_close(turned.local(turned.world(vectors)), vectors)
