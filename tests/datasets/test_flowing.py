import torch

from turnaround.datasets.flowing import FlowingBatches, FlowingPictures
from turnaround.geometry.holes import grown

HEIGHT, WIDTH, FPS = 48, 64, 24.0


def pictures(**changes):
    settings = {"height": HEIGHT, "width": WIDTH, "frames": 4, "fps": FPS, "speeds": [0.1, 0.3], "first": 5, "count": 8}
    return FlowingPictures(**settings | changes)


def test_a_part_of_each_picture_flows_at_a_stated_speed():
    for id in pictures().ids():
        picture = pictures().picture(id)
        share = picture.field.moving.float().mean()
        assert 0.29 < share < 0.81
        speed = picture.field.velocity.norm(dim=0) * FPS / WIDTH
        assert (speed[~picture.field.moving] == 0).all()
        middle = speed[picture.field.moving].median()
        assert 0.1 / 1.6 < middle < 0.3 * 1.6  # the swell: exp(0.3 n), the median of whose n is within 1.5
        assert picture.image.min() >= 0
        assert picture.image.max() <= 1


def along_and_across(picture):
    """Mean absolute differences, of flowing pixels, to the pixel a pixel away along the flow and across it."""
    inner = ~grown(~picture.field.moving[None], 3)[0]
    inner[:3], inner[-3:], inner[:, :3], inner[:, -3:] = False, False, False, False
    direction = picture.field.velocity / picture.field.velocity.norm(dim=0).clamp(min=1e-9)
    row, column = inner.nonzero().T
    differences = []
    for way in (direction, torch.stack([-direction[1], direction[0]])):
        x, y = way[:, inner].round().long()
        differences.append((picture.image[:, row + y, column + x] - picture.image[:, row, column]).abs().mean())
    return differences


def test_streaks_run_along_the_flow():
    along, across = torch.tensor([along_and_across(pictures().picture(id)) for id in pictures().ids()]).T
    # Alike if they ran anywhere else; nearest pixels along a slant lie up to half a pixel beside it.
    assert (along < across).all()
    assert along.mean() < 0.8 * across.mean()


def test_clips_begin_with_the_picture_and_only_what_flows_changes():
    source = pictures()
    picture, clip = source.picture("00000006"), source.clip("00000006")
    assert torch.equal(clip.video[0], picture.image)
    for frame in clip.video[1:]:
        assert torch.equal(frame[:, ~picture.field.moving], picture.image[:, ~picture.field.moving])
        assert (frame - picture.image)[:, picture.field.moving].abs().mean() > 0.01


def test_batches_are_numbered_and_in_shares_per_second():
    batches = FlowingBatches(pictures=pictures(), pixels_per_batch=3 * HEIGHT * WIDTH, seed=0)
    one, again, other = batches[1, 0], batches[1, 0], batches[2, 0]
    assert one.pictures.shape == (3, 3, HEIGHT, WIDTH)
    assert torch.equal(one.pictures, again.pictures)
    assert not torch.equal(one.pictures, other.pictures)
    source = pictures()
    chosen = next(id for id in source.ids() if torch.equal(source.picture(id).image, one.pictures[0]))
    torch.testing.assert_close(one.velocity[0], source.picture(chosen).field.velocity * FPS / WIDTH)
    assert torch.equal(one.moving[0], source.picture(chosen).field.moving)
