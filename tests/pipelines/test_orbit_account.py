import torch
from inpainting import camera
from picture_cameras import ahead

from turnaround.geometry.camera_path import Turntable
from turnaround.pipelines.orbit.account import verdict_of
from turnaround.pipelines.orbit.card import degrees_of
from turnaround.types import OrbitVideo


def test_degrees_are_positive_to_the_photos_right():
    frames = 12
    still = torch.zeros(frames, 8, 12)
    orbit = OrbitVideo(
        video=torch.zeros(frames, 3, 8, 12),
        depth=still,
        label=still.byte(),
        confidence=still,
        step=still.long(),
        cameras=Turntable(frames=frames, turns=1).cameras(camera(8, 12), ahead(2.0)),
    )
    assert orbit.cameras.world_from_cam[1, 0, 3] > 0  # the first step goes to the right
    found = degrees_of(orbit) % 360
    # float32 poses
    torch.testing.assert_close(found, torch.arange(frames).double() * 30, atol=1e-4, rtol=0)


def test_the_verdict_counts_what_was_invented():
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.85, 0.0, 0.15], [0.3, 0.1, 0.6], [0.1, 0.0, 0.9]])
    told = verdict_of(shares, 0.2)
    assert "41% of what you see was invented, and 90% in the frame with the most" in told
    assert "Trust the 2 of 4 frames" in told
