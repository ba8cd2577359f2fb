import numpy as np
import pytest
import torch
from inpainting import camera

from turnaround.datasets.holes import DoubleReprojection, Moves, RandomMasks, WarpBack, free_form, holed
from turnaround.datasets.pairs import (
    BackwardWarp,
    ForwardWarp,
    HoledPictures,
    PairBatches,
    StereoWarps,
    ViewWarps,
    inverse,
    recolored,
    view_of,
)
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.realism import Realism
from turnaround.geometry.holes import grown
from turnaround.render.elements import Edges
from turnaround.render.reprojection import Lookup
from turnaround.scenes.sample import WorldSampler
from turnaround.scenes.views import ViewSampler
from turnaround.types import InputError, Pair, StereoPair, View

EDGES = Edges(depth_ratio=0.1, stretch=3.0)
LOOKUP = Lookup(least_area=0.1, depth_tolerance=0.02)
MOVES = Moves(degrees=[5.0, 20.0], tilt=3.0, pivot=[0.8, 1.0])
MASKS = RandomMasks(strokes=2, boxes=2, thickness=[0.1, 0.2])
EXACT = Realism(grow=0, dropped=0.0, flying=0.0, free=0.0, masks=MASKS)
HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    worlds = WorldSampler(height=HEIGHT, width=WIDTH, frames=1, moving=0.0)
    sampler = ViewSampler(worlds=worlds, eyes=[0.05, 0.08], orbits=2, degrees=[3.0, 20.0], tilt=3.0)
    return ProceduralClips(sampler=sampler, first=0, count=4, cache=str(tmp_path_factory.mktemp("cache")))


def sources(clips):
    return {
        "forward": ViewWarps(clips=clips, warp=ForwardWarp(edges=EDGES), first=None, second=None),
        "backward": ViewWarps(clips=clips, warp=BackwardWarp(lookup=LOOKUP), first=None, second=None),
        "double": HoledPictures(
            clips=clips, holes=DoubleReprojection(moves=MOVES, edges=EDGES, lookup=LOOKUP), frames=2
        ),
        "back": HoledPictures(clips=clips, holes=WarpBack(moves=MOVES, edges=EDGES), frames=1),
        "random": HoledPictures(clips=clips, holes=MASKS, frames=1),
    }


@pytest.mark.parametrize("name", ["forward", "backward", "double", "back", "random"])
def test_every_source_draws_pairs_that_agree_where_they_are_known(name, clips):
    source = sources(clips)[name]
    for seed in range(4):
        pair = source.draw(np.random.default_rng(seed))
        known = ~pair.hole
        assert 0 < pair.hole.float().mean() < 1
        assert (pair.seen.masked_select(pair.hole[:, None]) == 0).all()
        assert (pair.seen_inverse_depth[pair.hole] == 0).all()
        assert (pair.seen_inverse_depth[known] > 0).all()
        # Warps of views show what is there: but for edges, colour is off by less than a tenth of the range
        off = (pair.seen - pair.target).abs().mean(dim=1)[known]
        assert off.median() < 0.03
        ratio = (pair.seen_inverse_depth / pair.inverse_depth)[known]
        assert (ratio - 1).abs().median() < 0.01


def test_views_may_be_the_eyes_of_a_pair(clips):
    eyes = ViewWarps(clips=clips, warp=ForwardWarp(edges=EDGES), first=0, second=1)
    pair = eyes.draw(np.random.default_rng(0))
    clip = next(clips.clip(id) for id in clips.ids() if id in pair.source)
    assert torch.equal(pair.target[0], clip.video[1])
    assert pair.source == f"views/{clip.id}/0/1"


class OnePair:
    """Two planes: the far one moves by 2 pixels between the eyes, the near one by 5."""

    def ids(self):
        return ["planes"]

    def pair(self, id):
        generator = torch.Generator().manual_seed(0)
        disparity = torch.full((8, 32), 2.0)
        disparity[:, 14:20] = 5.0
        disparity[0, 0] = torch.nan
        right = torch.full((8, 32), 2.0)
        right[:, 9:15] = 5.0
        left, there = torch.rand(2, 3, 8, 32, generator=generator)
        return StereoPair(id=id, left=left, right=there, disparity=disparity, right_disparity=right)


def test_stereo_has_the_holes_that_disparity_tells():
    pair = StereoWarps(pairs=OnePair(), edges=EDGES).draw(np.random.default_rng(0))
    columns = pair.hole[0, 4].nonzero().flatten().tolist()
    # The near plane stands at 14..19 on the left and 9..14 on the right; the far one ends at 13 and goes on at 20,
    # which are 11 and 18; so 15..17 show what the left eye does not see, and so do the last two columns
    assert columns == [15, 16, 17, 30, 31]
    assert torch.equal(pair.seen[0, :, 4, 9:15], OnePair().pair("").left[:, 4, 14:20])
    assert pair.inverse_depth[0, 4, 10] / pair.inverse_depth[0, 4, 20] == pytest.approx(5 / 2)
    torch.testing.assert_close(pair.seen_inverse_depth[0, 4, :9], pair.inverse_depth[0, 4, :9])


def batches(pairs, **settings):
    values = {"realism": EXACT, "height": 16, "width": 24, "pixels_per_batch": 1536, "least": 0.01, "most": 0.9}
    return PairBatches(pairs=pairs, seed=0, **(values | settings))


def test_a_batch_follows_from_its_place(clips):
    made = batches(sources(clips)["forward"])
    first, again, other, process = made[3, 0], made[3, 0], made[4, 0], made[3, 1]
    assert first.target.shape == (4, 1, 3, 16, 24)
    assert torch.equal(first.seen, again.seen)
    assert not torch.equal(first.seen, other.seen)
    assert not torch.equal(first.seen, process.seen)
    shares = first.hole.float().mean(dim=(1, 2, 3))
    assert ((shares >= 0.01) & (shares <= 0.9)).all()


def test_frames_count_as_pixels(clips):
    assert batches(sources(clips)["double"])[0, 0].target.shape == (2, 2, 3, 16, 24)


def test_what_cannot_be_drawn_is_refused(clips):
    with pytest.raises(InputError, match=r"expected at least 64 x 24 pixels, found 32 x 48"):
        batches(sources(clips)["forward"], height=64)[0, 0]
    with pytest.raises(InputError, match=r"expected holes of 99\.0% to 100\.0% of a crop"):
        batches(sources(clips)["forward"], least=0.99, most=1.0)[0, 0]


def plain_pair():
    hole = torch.zeros(1, 9, 9, dtype=torch.bool)
    hole[0, 4, 4] = True
    video = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    depth = torch.ones(1, 9, 9)
    return Pair(
        target=video,
        seen=video.masked_fill(hole[:, None], 0.0),
        hole=hole,
        valid=torch.ones_like(hole),
        inverse_depth=depth,
        seen_inverse_depth=depth.masked_fill(hole, 0.0),
        source="plain",
    )


def test_holes_grow_by_whole_pixels():
    assert grown(plain_pair().hole, 1)[0].nonzero().tolist() == [[r, c] for r in (3, 4, 5) for c in (3, 4, 5)]
    assert torch.equal(grown(plain_pair().hole, 0), plain_pair().hole)


def test_realism_spoils_what_is_seen_and_nothing_else():
    pair = plain_pair()
    spoiled = Realism(grow=2, dropped=0.5, flying=1.0, free=1.0, masks=MASKS)
    for seed in range(5):
        found = spoiled.apply(pair, np.random.default_rng(seed))
        assert torch.equal(found.target, pair.target)
        assert torch.equal(found.inverse_depth, pair.inverse_depth)
        assert found.hole.sum() > 1
        assert (found.seen.masked_select(found.hole[:, None]) == 0).all()
        kept = ~found.hole & ~pair.hole
        changed = (found.seen != pair.target).any(dim=1) & kept
        assert changed.sum() < kept.sum()  # flying pixels alone
    same = EXACT.apply(pair, np.random.default_rng(0))
    assert torch.equal(same.seen, pair.seen)
    assert torch.equal(same.hole, pair.hole)


def test_colours_change_alike():
    pair = plain_pair()
    found = recolored(pair, np.random.default_rng(1))
    known = ~found.hole[0]
    assert torch.equal(found.seen[0][:, known], found.target[0][:, known])
    assert not torch.equal(found.target, pair.target)


def test_steps_go_around_what_is_seen():
    depth = torch.full((8, 8), 4.0)
    view = View(image=torch.zeros(3, 8, 8), depth=depth, camera=camera(8, 8))
    (moved,) = Moves(degrees=[30.0, 30.0], tilt=0.0, pivot=[1.0, 1.0]).draw([view], np.random.default_rng(0))
    pose = moved.world_from_cam[0]
    torch.testing.assert_close(pose[:3, 3] + 4 * pose[:3, 2], torch.tensor([0.0, 0.0, 4.0]), atol=1e-5, rtol=0)
    assert pose[0, 3].abs().item() == pytest.approx(4 * 0.5, abs=1e-5)  # 4 sin 30
    assert pose[2, 3].item() == pytest.approx(4 - 4 * 3**0.5 / 2, abs=1e-5)


def test_free_forms_and_holed_views():
    hole = free_form((20, 30), MASKS, np.random.default_rng(0))
    assert 0 < hole.sum() < 600
    view = View(image=torch.ones(3, 20, 30), depth=torch.full((20, 30), 2.0), camera=camera(20, 30))
    view.depth[0, 0] = torch.nan
    cut = holed(view, hole)
    assert cut.hole[0, 0]  # of unknown depth
    assert torch.equal(cut.source[~cut.hole], torch.arange(600).view(20, 30)[~cut.hole])
    assert inverse(cut.depth)[cut.hole].sum() == 0


def test_a_view_of_a_clip(clips):
    clip = clips.clip(clips.ids()[0])
    view = view_of(clip, 2)
    assert torch.equal(view.image, clip.video[2])
    assert torch.equal(view.camera.world_from_cam[0], clip.cameras.world_from_cam[2])
