"""Errors of camera paths, by hand."""

import math

import pytest
import torch

from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.geometry.trajectory import (
    direction_error_deg,
    path_length,
    rigid_alignment,
    rotation_error_deg,
    similarity_alignment,
    trajectory_error,
)

CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 2, 0], [1, 2, 3]]).double()
Z = torch.tensor([0.0, 0, 1]).double()


def poses(centres):
    return rigid(torch.eye(3).double().expand(len(centres), 3, 3), centres)


def turn(degrees, axis=Z):
    return rotation_about(axis, torch.tensor(math.radians(degrees), dtype=torch.float64))


def test_a_moved_and_scaled_path_is_aligned_away():
    rotation, translation = turn(90), torch.tensor([5.0, -1, 2]).double()
    truth = 2.5 * CORNERS @ rotation.T + translation
    found = similarity_alignment(CORNERS, truth)
    assert found.scale == pytest.approx(2.5, abs=1e-12)
    assert torch.allclose(found.rotation, rotation, atol=1e-12)  # float64
    assert torch.allclose(found.translation, translation, atol=1e-12)
    assert trajectory_error(poses(CORNERS), poses(truth), similarity_alignment) < 1e-12


def test_a_rigid_alignment_keeps_the_scale():
    """Two points 2 apart, found 3 apart: each is half a metre off."""
    truth = torch.tensor([[0.0, 0, 0], [0, 2, 0]]).double()
    found = torch.tensor([[4.0, 4, 4], [7, 4, 4]]).double()
    assert trajectory_error(poses(found), poses(truth), rigid_alignment) == pytest.approx(0.5, abs=1e-12)
    assert trajectory_error(poses(found), poses(truth), similarity_alignment) < 1e-12


def test_a_mirrored_path_is_no_turned_one():
    """Points at +-3, +-2, +-1 on the axes, the last mirrored: the best rotation leaves just those two, each 2 off."""
    axes = torch.diag(torch.tensor([3.0, 2, 1])).double()
    truth = torch.cat([axes, -axes])
    mirrored = truth * torch.tensor([1.0, 1, -1]).double()
    expected = math.sqrt(2 * 2**2 / 6)
    assert trajectory_error(poses(mirrored), poses(truth), rigid_alignment) == pytest.approx(expected, abs=1e-12)
    assert torch.linalg.det(rigid_alignment(mirrored, truth).rotation) == pytest.approx(1.0, abs=1e-12)


def test_cameras_that_stand_still_have_a_scale_of_one():
    still = torch.ones(3, 3).double()
    assert similarity_alignment(still, 2 * still).scale == 1.0
    assert trajectory_error(poses(still), poses(2 * still), similarity_alignment) == 0.0


def test_the_length_of_a_path():
    assert path_length(poses(CORNERS)) == pytest.approx(6.0, abs=1e-12)
    assert path_length(poses(CORNERS[:1])) == 0.0


def test_angles_of_rotations():
    found = torch.stack([turn(30), turn(180), turn(1e-5)])
    truth = torch.eye(3).double().expand(3, 3, 3)
    # float64: at half a turn the arc sine's slope is infinite, so sqrt(1e-16) rad remain
    assert torch.allclose(rotation_error_deg(found, truth), torch.tensor([30.0, 180, 1e-5]).double(), atol=1e-5)
    assert rotation_error_deg(turn(1e-5), turn(0)) == pytest.approx(1e-5, rel=1e-6)
    assert rotation_error_deg(turn(50), turn(20)) == pytest.approx(30, abs=1e-9)


def test_angles_of_directions():
    x, y = torch.tensor([3.0, 0, 0]), torch.tensor([0.0, 0.5, 0])
    assert direction_error_deg(x, y) == pytest.approx(90, abs=1e-9)
    assert direction_error_deg(x, -x) == pytest.approx(180, abs=1e-9)
    assert direction_error_deg(x, 2 * x) == 0.0
