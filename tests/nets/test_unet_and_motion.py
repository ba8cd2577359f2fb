import torch

from turnaround.nets.motion import MotionUNet
from turnaround.nets.unet import UNet
from turnaround.types import MotionNetwork


def test_a_unet_keeps_the_size_and_looks_far():
    torch.manual_seed(0)
    net = UNet(entering=3, channels=(8, 16, 24), leaving=5).eval()
    pictures = torch.rand(2, 3, 64, 64).requires_grad_()
    found = net(pictures)
    assert found.shape == (2, 5, 64, 64)
    found[:, :, 20, 20].sum().backward()
    reach = pictures.grad.abs().sum(dim=(0, 1))
    assert reach[20, 20] > 0
    assert reach[28, 28] > 0  # by the coarsest level, whose cells are 4 pixels


def test_nothing_moves_where_nothing_may():
    torch.manual_seed(0)
    net = MotionUNet(channels=(8, 16), speed=0.5).eval()
    assert isinstance(net, MotionNetwork)
    assert net.size_multiple == 2
    moving = torch.zeros(1, 8, 12, dtype=torch.bool)
    moving[:, 2:6, 3:9] = True
    found = net.motion(torch.rand(1, 3, 8, 12), moving)
    assert (found[:, :, ~moving[0]] == 0).all()
    assert (found[:, :, moving[0]] != 0).any()


def test_the_mask_is_seen():
    torch.manual_seed(0)
    net = MotionUNet(channels=(8, 16), speed=0.5).eval()
    picture, moving = torch.rand(1, 3, 8, 12), torch.ones(1, 8, 12, dtype=torch.bool)
    less = moving.clone()
    less[:, :4] = False
    assert not torch.equal(net.motion(picture, moving)[:, :, 6], net.motion(picture, less)[:, :, 6])
