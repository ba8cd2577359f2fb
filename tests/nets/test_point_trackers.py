import pytest
import torch
from torch import nn

from turnaround.nets import cotracker, tapir
from turnaround.nets.cotracker import CoTracker
from turnaround.nets.point_trackers import confident, installed, load_checkpoint, resized, scaled, timed
from turnaround.nets.tapir import Tapir
from turnaround.types import InputError, PointTracker

VIDEO = torch.rand(3, 3, 16, 32, generator=torch.Generator().manual_seed(0))
QUERIES = torch.tensor([[0.5, 0.5], [8.0, 4.0], [31.5, 15.5]])


def test_places_keep_their_share_of_the_picture():
    found = scaled(torch.tensor([[0.5, 0.5], [320.0, 120.0]]), (640, 480), (256, 256))
    torch.testing.assert_close(found, torch.tensor([[0.2, 0.5 * 256 / 480], [128.0, 64.0]]))
    # there and back, to float32's rounding
    torch.testing.assert_close(scaled(scaled(QUERIES, (32, 16), (512, 512)), (512, 512), (32, 16)), QUERIES)


def test_a_bright_pixel_is_where_its_place_is_scaled_to():
    """Halving a picture whose 2 x 2 block is bright leaves one bright pixel, whose centre the block's middle is."""
    picture = torch.zeros(1, 3, 16, 16)
    picture[:, :, 4:6, 8:10] = 1
    small = resized(picture, 8)
    y, x = divmod(int(small[0, 0].argmax()), 8)
    assert scaled(torch.tensor([9.0, 5.0]), (16, 16), (8, 8)).tolist() == [x + 0.5, y + 0.5]


def test_visible_by_tapirs_rule():
    """0 is the logit of 1/2, ln 3 that of 3/4 and ln 2 that of 2/3; only (3/4)^2 is above 1/2."""
    logits = -torch.tensor([1.0, 3.0, 2.0]).log()
    assert confident(logits, logits).tolist() == [False, True, False]
    assert confident(torch.tensor([-9.0]), torch.tensor([9.0])).tolist() == [False]


def test_queries_have_their_frame_first():
    assert timed(2, torch.tensor([[3.0, 4.0]])).tolist() == [[2.0, 3.0, 4.0]]


class Drifting(nn.Module):
    """What stands in for a network: by tapnet's contract, points go 2 px right per frame of the resized video."""

    def forward(self, video, query_points, query_chunk_size):
        assert video.shape == (1, 3, 64, 64, 3)
        assert -1 <= video.min() < -0.5
        assert 0.5 < video.max() <= 1
        frame, y, x = query_points.unbind(-1)
        moved = x[..., None] + 2 * (torch.arange(3) - frame[..., None])
        logits = torch.full((1, query_points.shape[1], 3), -9.0)
        logits[0, 1, 2] = 9
        return {
            "tracks": torch.stack([moved, y[..., None].expand_as(moved)], -1),
            "occlusion": logits,
            "expected_dist": torch.full_like(logits, -9.0),
        }


class Predicting(nn.Module):
    """By co-tracker's contract: points go 1 px down per frame; records what it was given."""

    def forward(self, video, queries, backward_tracking):
        assert backward_tracking
        assert 200 < video.max() <= 255
        frame, x, y = queries.unbind(-1)
        moved = y + (torch.arange(3)[:, None] - frame)
        self.asked = [*getattr(self, "asked", []), queries[0]]
        return torch.stack([x.expand_as(moved), moved], -1)[None], (moved >= 0)[None]


def test_tapir_gets_and_gives_what_its_contract_says():
    tracker = Tapir(network=Drifting(), weights=(), size=64, chunk=8, device="cpu")
    assert isinstance(tracker, PointTracker)
    tracks = tracker.track(VIDEO, 1, QUERIES)
    steps = torch.tensor([-1.0, 0.0, 1.0])[:, None]  # 2 of 64 px are 1 of 32
    expected = torch.stack([QUERIES[:, 0] + steps, QUERIES[:, 1].expand(3, 3)], -1)
    torch.testing.assert_close(tracks.pixels, expected)
    assert tracks.visible.tolist() == [[True] * 3, [True] * 3, [True, False, True]]
    assert tracks.query.tolist() == [1, 1, 1]


def test_cotracker_gets_and_gives_what_its_contract_says():
    network = Predicting()
    tracker = CoTracker(network=network, weights=(), chunk=2, device="cpu")
    assert isinstance(tracker, PointTracker)
    tracks = tracker.track(VIDEO, 1, QUERIES)
    assert [asked.tolist() for asked in network.asked] == [[[1, 0, 0], [1, 7.5, 3.5]], [[1, 31, 15]]]
    assert tracks.pixels[:, 0].tolist() == [[0.5, -0.5], [0.5, 0.5], [0.5, 1.5]]
    assert tracks.visible.tolist() == [[False, True, True], [True] * 3, [True] * 3]


def test_fingerprints_follow_settings_and_weights():
    def found(size, weight):
        network = nn.Linear(1, 1)
        nn.init.constant_(network.weight, weight)
        nn.init.zeros_(network.bias)
        return Tapir(network=network, weights=(), size=size, chunk=8, device="cpu").fingerprint()

    assert found(64, 1.0) == found(64, 1.0)
    assert len({found(64, 1.0), found(128, 1.0), found(64, 2.0)}) == 3


@pytest.mark.parametrize("module", [tapir, cotracker])
def test_a_package_that_is_not_there_is_named_with_the_way_to_install_it(module):
    with pytest.raises(InputError, match=r"pip install .*git\+https://github.com"):
        installed("turnaround_has_no_such_package", fix=module.INSTALL)


def test_weights_are_read_as_tensors_alone(tmp_path):
    saved, network = nn.Linear(2, 2), nn.Linear(2, 2)
    torch.save(saved.state_dict(), tmp_path / "plain.pt")
    torch.save({"model": saved.state_dict()}, tmp_path / "nested.pt")
    for name in ("plain.pt", "nested.pt"):
        nn.init.zeros_(network.weight)
        load_checkpoint(network, tmp_path / name)
        assert torch.equal(network.weight, saved.weight)
    torch.save({"model": nn.Linear(2, 2)}, tmp_path / "code.pt")
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "other.pt")
    for name in ("code.pt", "other.pt", "none.pt"):
        with pytest.raises(InputError, match=name):
            load_checkpoint(network, tmp_path / name)
