import pytest
import torch

from turnaround.geometry.easing import Linear, SmoothStep


@pytest.mark.parametrize("easing", [Linear(), SmoothStep()], ids=str)
def test_from_nothing_to_all_without_turning_back(easing):
    done = easing(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert done[0] == 0
    assert done[-1] == 1
    assert (done.diff() > 0).all()
    torch.testing.assert_close(done + done.flip(0), torch.ones_like(done))  # it ends as it begins


def test_hand_computed():
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    assert torch.equal(Linear()(quarters), quarters)
    assert SmoothStep()(quarters).tolist() == [0.15625, 0.5, 0.84375]  # exact in binary


def test_smooth_step_begins_and_ends_at_rest():
    steps = SmoothStep()(torch.linspace(0, 1, 1001, dtype=torch.float64)).diff()
    assert steps[0] < 3.1e-6  # 3 t² at t = 1e-3
    assert steps[-1] < 3.1e-6
    assert abs(steps.max() - 1.5e-3) < 1e-8  # 6 t (1 - t) at t = 1/2, times 1e-3
