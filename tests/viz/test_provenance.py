import pytest
import torch

from turnaround.types import InputError
from turnaround.viz.provenance import TINT, around, provenance_colors


def test_observed_pixels_stay_bit_for_bit_and_the_others_are_tinted():
    image = torch.rand(3, 1, 3, generator=torch.Generator().manual_seed(0))
    tinted = provenance_colors(image, torch.tensor([[0, 1, 2]], dtype=torch.uint8))
    assert torch.equal(tinted[:, :, 0], image[:, :, 0])
    amber, magenta = torch.tensor([0xE6, 0x9A, 0x17]) / 255, torch.tensor([0xC6, 0x3F, 0x94]) / 255
    torch.testing.assert_close(tinted[:, 0, 1], (1 - TINT) * image[:, 0, 1] + TINT * amber)
    torch.testing.assert_close(tinted[:, 0, 2], (1 - TINT) * image[:, 0, 2] + TINT * magenta)


def test_shares_are_counted_per_frame():
    labels = torch.tensor([[[0, 0], [0, 0]], [[0, 1], [2, 2]]], dtype=torch.uint8)
    assert torch.equal(around(labels), torch.tensor([[1.0, 0, 0], [0.25, 0.25, 0.5]]))


def test_a_label_that_means_nothing_is_refused():
    with pytest.raises(InputError, match=r"provenance: expected labels 0, 1 and 2, found 3"):
        around(torch.full((1, 2, 2), 3, dtype=torch.uint8))
