import struct
import zlib

import cv2
import numpy as np
import pytest
import torch

from turnaround.io.image import MAX_SIDE, encode_png, read_image, read_png16, write_image, write_png16
from turnaround.types import InputError


def stored(path, pixels):
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


@pytest.fixture
def noise():
    return torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0))


def test_png_round_trip_is_exact_to_half_a_step(tmp_path, noise):
    write_image(tmp_path / "a.png", noise)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == torch.float32
    assert read.is_contiguous()
    assert torch.equal(read, torch.round(noise * 255) / 255)


def test_an_encoded_png_is_what_the_file_holds(tmp_path, noise):
    write_image(tmp_path / "a.png", noise)
    assert encode_png("a picture", noise) == (tmp_path / "a.png").read_bytes()
    with pytest.raises(InputError, match=r"a picture: expected values in \[0, 1\], found 2 to 2"):
        encode_png("a picture", torch.full((3, 2, 2), 2.0))


def test_jpg_keeps_flat_colours(tmp_path):
    color = torch.tensor([0.8, 0.4, 0.2])
    write_image(tmp_path / "a.jpg", color[:, None, None].expand(3, 16, 16))
    # quality 95 rounds the mean of a flat block to a few steps of 255
    torch.testing.assert_close(read_image(tmp_path / "a.jpg").mean((1, 2)), color, atol=4 / 255, rtol=0)


def test_channels_are_red_green_blue_and_rows_run_down(tmp_path):
    image = torch.zeros(3, 2, 3)
    image[0, 0, 0] = image[1, 0, 1] = image[2, 1, 2] = 1
    write_image(tmp_path / "a.png", image)
    assert torch.equal(read_image(tmp_path / "a.png"), image)


def test_grey_16_bit_and_alpha_are_read(tmp_path):
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    read = read_image(stored(tmp_path / "grey.png", grey))
    assert torch.equal(read, torch.tensor([[0.0, 0.2], [0.4, 1.0]]).expand(3, 2, 2))
    deep = np.array([[[0, 13107, 65535, 7]]], np.uint16)  # blue, green, red, alpha
    assert torch.equal(read_image(stored(tmp_path / "deep.png", deep)).flatten(), torch.tensor([1.0, 0.2, 0.0]))


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255  # left half white
    plain = cv2.imencode(".jpg", pixels)[1].tobytes()
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: turn clockwise to show
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    (tmp_path / "phone.jpg").write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:])
    image = read_image(tmp_path / "phone.jpg")
    assert image.shape == (3, 16, 8)
    assert image[:, :8].min() > 0.9
    assert image[:, 8:].max() < 0.1


def test_depth_png_round_trip_is_exact_and_unknown_is_zero(tmp_path):
    values = torch.arange(65536).reshape(256, 256) / 65535
    write_png16(tmp_path / "d.png", values)
    assert torch.equal(read_png16(tmp_path / "d.png"), values)
    assert np.array_equal(cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED).ravel(), np.arange(65536))
    write_png16(tmp_path / "d.png", torch.tensor([[float("nan"), 1.0]]))
    assert read_png16(tmp_path / "d.png").tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("value", [-0.01, 1.01, float("inf"), float("-inf")])
def test_values_outside_the_range_are_refused(tmp_path, value):
    with pytest.raises(InputError, match=r"d\.png: expected values in \[0, 1\]"):
        write_png16(tmp_path / "d.png", torch.full((2, 2), value))
    with pytest.raises(InputError, match=r"expected values in \[0, 1\]"):
        write_image(tmp_path / "d.png", torch.full((3, 2, 2), value))
    assert list(tmp_path.iterdir()) == []


def test_nan_in_an_image_is_refused_and_rounding_noise_is_not(tmp_path):
    with pytest.raises(InputError, match="found nan"):
        write_image(tmp_path / "a.png", torch.full((3, 2, 2), float("nan")))
    write_image(tmp_path / "a.png", torch.full((3, 2, 2), 1.0 + 1e-6))
    assert read_image(tmp_path / "a.png").max() == 1.0


def test_what_is_no_image_is_refused(tmp_path, noise):
    write_image(tmp_path / "whole.jpg", noise.repeat(1, 20, 20))
    (tmp_path / "text.png").write_text("this is no image")
    (tmp_path / "empty.png").touch()
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    for name, found in [
        ("text.png", "something else or a damaged file"),
        ("empty.png", "an empty file"),
        ("half.jpg", "something else or a damaged file"),
        ("missing.png", "no such file"),
        (".", "a folder"),
    ]:
        with pytest.raises(InputError, match=f"expected an image, found {found}"):
            read_image(tmp_path / name)


def test_floating_point_pictures_and_other_depths_are_refused(tmp_path):
    with pytest.raises(InputError, match="8 or 16 bits per channel, found float32"):
        read_image(stored(tmp_path / "a.tif", np.ones((3, 4, 3), np.float32)))
    with pytest.raises(InputError, match="one channel of 16 bits, found 1 of 8"):
        read_png16(stored(tmp_path / "a.png", np.ones((3, 4), np.uint8)))
    with pytest.raises(InputError, match="one channel of 16 bits, found 3 of 16"):
        read_png16(stored(tmp_path / "b.png", np.ones((3, 4, 3), np.uint16)))


def test_a_huge_picture_is_refused_by_its_header(tmp_path):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", MAX_SIDE + 1, 30000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(InputError, match=f"at most {MAX_SIDE} pixels a side, found {MAX_SIDE + 1} x 30000"):
        read_image(tmp_path / "bomb.png")
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 40000, 50000)
    (tmp_path / "bomb.jpg").write_bytes(jpeg)
    with pytest.raises(InputError, match="found 50000 x 40000"):
        read_image(tmp_path / "bomb.jpg")


def test_output_names_and_places_are_checked(tmp_path, noise):
    with pytest.raises(InputError, match=r"a name in \.png or \.jpg or \.jpeg, found '\.gif'"):
        write_image(tmp_path / "a.gif", noise)
    with pytest.raises(InputError, match=r"a name in \.png"):
        write_png16(tmp_path / "a.jpg", noise[0])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a writable place"):
        write_image(tmp_path / "file" / "a.png", noise)


def test_a_full_disk_leaves_nothing(tmp_path, noise, full_disk):
    with full_disk(1000), pytest.raises(InputError, match=r"a\.png: expected a writable place.*file too large"):
        write_image(tmp_path / "a.png", noise.repeat(1, 10, 10))
    assert list(tmp_path.iterdir()) == []
