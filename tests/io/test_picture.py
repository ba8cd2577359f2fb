"""Files of every kind are written with Pillow and OpenCV, or byte by byte, and read back."""

import io
import math
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from turnaround.io.image import MAX_SIDE
from turnaround.io.picture import MAX_PIXELS, read_picture
from turnaround.types import InputError

HEIGHT, WIDTH = 20, 30
ORIENTATION, FILM, EXIF = 0x0112, 0xA405, 0x8769


def noise(channels, dtype=np.uint8):
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(channels).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def read(path, longest=64):
    return read_picture(path, longest=longest)


def pixels(picture):
    """[h w c], alpha last where there is one."""
    alpha = [] if picture.alpha is None else [picture.alpha[None]]
    return torch.cat([picture.image, *alpha]).permute(1, 2, 0).numpy()


def same(found, steps, most):
    """Equal to float32's rounding of the same quotient."""
    np.testing.assert_allclose(found, np.asarray(steps, np.float64) / most, rtol=0, atol=1e-7)


def encoded(path, array):
    path.write_bytes(cv2.imencode(path.suffix, array)[1].tobytes())
    return path


def saved(path, picture, **settings):
    picture.save(path, **settings)
    return path


def lossless(name):
    return {"lossless": True, "exact": True} if name.endswith("webp") else {}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.webp"])
def test_colours_of_8_bits(tmp_path, name):
    picture = read(saved(tmp_path / name, Image.fromarray(noise(3)), **lossless(name)))
    same(pixels(picture), noise(3), 255)
    assert picture.alpha is None
    assert picture.focal is None
    assert picture.notes == ()
    assert picture.image.is_contiguous()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_opacity_of_8_bits(tmp_path, name):
    same(pixels(read(saved(tmp_path / name, Image.fromarray(noise(4)), **lossless(name)))), noise(4), 255)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_keep_all_their_steps(tmp_path, name, channels):
    deep = noise(channels, np.uint16)
    expected = np.repeat(deep[..., None], 3, -1) if channels == 1 else deep[..., [2, 1, 0, 3][:channels]]
    same(pixels(read(encoded(tmp_path / name, deep))), expected, 65535)


def png(header, rows, *chunks):
    """A PNG by hand: colour type and depth that the libraries do not write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(*c) for c in chunks)
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def test_grey_with_opacity_of_8_and_16_bits(tmp_path):
    for bits, dtype in ((8, np.uint8), (16, np.uint16)):
        both = noise(2, dtype)
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 4, 0, 0, 0)
        (tmp_path / "a.png").write_bytes(png(header, [row.astype(f">u{bits // 8}").tobytes() for row in both]))
        same(pixels(read(tmp_path / "a.png")), both[..., [0, 0, 0, 1]], 2**bits - 1)


def test_grey_one_bit_and_palettes(tmp_path):
    grey = Image.fromarray(noise(1))
    same(pixels(read(saved(tmp_path / "grey.png", grey))), np.repeat(noise(1)[..., None], 3, -1), 255)
    bits = noise(1) > 127
    same(pixels(read(saved(tmp_path / "bits.png", Image.fromarray(bits)))), np.repeat(bits[..., None], 3, -1), 1)
    indices = Image.fromarray(noise(1) % 3, "P")
    indices.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 51])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 51]])[noise(1) % 3]
    same(pixels(read(saved(tmp_path / "palette.png", indices))), colours, 255)
    seen = pixels(read(saved(tmp_path / "see_through.png", indices, transparency=1)))
    same(seen[..., 3], noise(1) % 3 != 1, 1)
    same(seen[..., :3], colours, 255)


def test_cmyk_is_not_inverted(tmp_path):
    ink = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    ink[:, :16, 1:3] = 255  # magenta and yellow are red; no ink is white
    found = pixels(read(saved(tmp_path / "a.jpg", Image.fromarray(ink, "CMYK"), quality=95)))
    # a block of 8 x 8 of one colour is coded to a few steps of 255
    np.testing.assert_allclose(found[:, :16], np.broadcast_to([1.0, 0, 0], (HEIGHT, 16, 3)), atol=4 / 255)
    np.testing.assert_allclose(found[:, 16:], 1, atol=4 / 255)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_the_first_of_an_animation_is_taken_and_told(tmp_path, name):
    frames = [Image.new("RGB", (WIDTH, HEIGHT), color) for color in ("red", "lime", "blue")]
    picture = read(saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **lossless(name)))
    same(pixels(picture)[..., :3], np.broadcast_to([255, 0, 0], (HEIGHT, WIDTH, 3)), 255)
    assert picture.notes == (f"{tmp_path / name}: the first of its 3 pictures is taken",)


TURNED = {  # by EXIF's own words: which side of what is seen the first row and the first column of the file are
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def exif(**tags):
    data = Image.Exif()
    data[ORIENTATION] = tags.get("orientation", 1)
    data.get_ifd(EXIF)[FILM] = tags.get("film", 0)
    return data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_colours_and_opacity_are_turned_upright(tmp_path, orientation, name):
    path = saved(tmp_path / name, Image.fromarray(noise(4)), exif=exif(orientation=orientation), **lossless(name))
    same(pixels(read(path)), TURNED[orientation](noise(4)), 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_and_16_bits_are_turned_upright_too(tmp_path, orientation):
    ramp = np.repeat((np.arange(HEIGHT)[:, None] * 4 + np.arange(WIDTH) * 5)[..., None], 3, -1).astype(np.uint8)
    photo = saved(tmp_path / "a.jpg", Image.fromarray(ramp), exif=exif(orientation=orientation), quality=100)
    # quality 100 rounds each coefficient and each colour: a few steps
    np.testing.assert_allclose(pixels(read(photo)), TURNED[orientation](ramp) / 255, atol=4 / 255)
    deep = Image.fromarray(noise(1, np.uint16))
    for name in ("b.png", "b.tif"):
        path = saved(tmp_path / name, deep, exif=exif(orientation=orientation))
        same(pixels(read(path))[..., 0], TURNED[orientation](noise(1, np.uint16)), 65535)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_focal_length_is_that_of_the_film_by_the_diagonal(tmp_path, orientation):
    """A picture of 3:2 is the film, enlarged: 36 mm are 600 pixels, then 60."""
    path = tmp_path / "a.jpg"
    saved(path, Image.new("RGB", (600, 400)), exif=exif(orientation=orientation, film=35))
    assert read(path, longest=600).focal == pytest.approx(35 / 36 * 600)
    assert read(path, longest=60).focal == pytest.approx(35 / 36 * 60)
    saved(path, Image.new("RGB", (400, 300)), exif=exif(film=50))
    assert read(path, longest=400).focal == pytest.approx(50 * 500 / math.hypot(36, 24))
    assert read(saved(path, Image.new("RGB", (400, 300)), exif=exif(film=0))).focal is None, "0 is unknown"


def test_damaged_exif_is_as_none(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (WIDTH, HEIGHT)), exif=b"Exif\0\0MM\0*\0\0\xff\xff\1\2")
    assert read(path).focal is None


def test_larger_pictures_are_averaged_over_areas_and_keep_their_shape(tmp_path):
    board = np.indices((128, 192)).sum(0) % 2 * 255  # a checkerboard of single pixels is grey from afar
    path = saved(tmp_path / "a.png", Image.fromarray(np.repeat(board[..., None], 3, -1).astype(np.uint8)))
    found = read(path, longest=48)
    assert found.image.shape == (3, 32, 48)
    # the mean is rounded to steps of 255
    np.testing.assert_allclose(found.image, 0.5, atol=1 / 255)
    assert read(path, longest=4000).image.shape == (3, 128, 192), "never enlarged"


def test_hidden_colours_do_not_bleed(tmp_path):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 1] = 255  # green, all transparent, but for columns of red
    rgba[:, ::3] = [255, 0, 0, 255]
    found = read(saved(tmp_path / "a.png", Image.fromarray(rgba)), longest=32)
    seen = found.alpha > 0
    assert 0.2 < found.alpha.mean() < 0.5
    assert torch.equal(found.image[:, seen], torch.tensor([1.0, 0, 0])[:, None].expand(3, int(seen.sum())))


def test_a_large_photo_is_decoded_small_and_right(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 255, 800).astype(np.uint8)[:, None], (600, 800, 3))
    found = read(saved(tmp_path / "a.jpg", Image.fromarray(ramp), quality=95), longest=80)
    assert found.image.shape == (3, 60, 80)
    expected = (torch.arange(80) + 0.5) / 80
    # two roundings to steps of 255, and quality 95
    torch.testing.assert_close(found.image[0], expected.expand(60, 80), rtol=0, atol=4 / 255)


def header_of(width, height):
    return png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), [])


@pytest.mark.parametrize(
    "size", [(MAX_SIDE + 1, 16), (16, MAX_SIDE + 1), (16000, 1 + MAX_PIXELS // 16000), (2**31 - 1,) * 2]
)
def test_huge_pictures_are_refused_by_their_header(tmp_path, size):
    (tmp_path / "a.png").write_bytes(header_of(*size))
    with pytest.raises(InputError, match=r"a.png: expected at most .*make it smaller"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize(("size", "found"), [((15, 40), "15 x 40;"), ((1600, 160), "1600 x 160, made 64 x 6;")])
def test_tiny_and_narrow_pictures_are_refused(tmp_path, size, found):
    with pytest.raises(InputError, match=f"at least 16 pixels a side, found {found}"):
        read(saved(tmp_path / "a.png", Image.new("RGB", size)))
    assert read(saved(tmp_path / "b.png", Image.new("RGB", (16, 16)))).image.shape == (3, 16, 16)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.gif"])
def test_what_is_cut_off_is_refused(tmp_path, name):
    path = saved(tmp_path / name, Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)))
    data = path.read_bytes()
    for share in (0.9, 0.5, 0.1, 0.005):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError, match=rf"{name}: expected a picture, found .*; ") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_a_cut_off_picture_of_16_bits_is_refused(tmp_path):
    path = encoded(tmp_path / "a.png", noise(3, np.uint16))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        read(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pdf", b"%PDF-1.7\n", "found a PDF; export the page as PNG"),
        ("a.svg", b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "found an SVG drawing; export it as PNG"),
        ("a.svg", b"\n<svg></svg>", "found an SVG drawing; export it as PNG"),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "found a HEIC picture; export it as JPEG"),
        ("a.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "found a video; save one of its frames as PNG"),
        ("a.jxl", b"\xff\x0a\x01", "found a JPEG XL picture; convert it to PNG or JPEG"),
        ("a.dng", b"II*\0\x08\0\0\0", "found a camera's raw file; develop it to JPEG or PNG"),
        ("a.jpg", b"", "found an empty file; copy it again"),
        ("a.jpg", b"hello", "found something else or a damaged file; convert it to PNG or JPEG, or copy it again"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "found something else"),
    ],
)
def test_other_files_are_refused_with_the_way_out(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: expected a picture, {message}"):
        read(tmp_path / name)


def test_folders_missing_files_and_floats_are_refused(tmp_path):
    with pytest.raises(InputError, match="found a folder"):
        read(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "a.png")
    path = encoded(tmp_path / "a.tif", np.ones((HEIGHT, WIDTH), np.float32))
    with pytest.raises(InputError, match="expected 8 or 16 bits per channel, found 32"):
        read(path)


def test_a_name_that_lies_does_no_harm(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(noise(3)).save(buffer, "png")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    same(pixels(read(tmp_path / "a.jpg")), noise(3), 255)
