import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vireid.data import ImageDataset, load_batch, load_image, read_folder
from vireid.data.images import decode_image
from vireid.types import VireidError

NOISE = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (12, 8, 3), dtype=np.uint16)
DEEP[0, 0], DEEP[0, 1], DEEP[0, 2], DEEP[0, 3] = 0, 65535, 128, 129  # the ends, and both sides of the first rounding


def scaled(values: np.ndarray) -> np.ndarray:
    """round(v / 257) value by value, as the rule is written."""
    return np.array([round(int(value) / 257) for value in values.ravel()], dtype=np.uint8).reshape(values.shape)


def test_rgb_is_as_stored(tmp_path: Path) -> None:
    for suffix in ("png", "bmp"):
        Image.fromarray(NOISE).save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(load_image(tmp_path / f"a.{suffix}"), NOISE)


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg"])
def test_single_channel_becomes_three_equal(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"gray.{suffix}"
    Image.fromarray(NOISE[..., 0]).save(file)
    image = load_image(file)
    assert image.shape == (12, 8, 3)
    assert (image == image[..., :1]).all()
    if suffix != "jpg":
        np.testing.assert_array_equal(image[..., 0], NOISE[..., 0])


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path) -> None:
    file = tmp_path / "deep.png"
    Image.fromarray(DEEP[..., 0]).save(file)
    np.testing.assert_array_equal(load_image(file), np.repeat(scaled(DEEP[..., :1]), 3, axis=2))


def test_sixteen_bit_colour_is_scaled_not_cut(tmp_path: Path) -> None:
    alpha = np.full((12, 8, 1), 7000, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "rgb.png"), DEEP[..., ::-1])
    cv2.imwrite(str(tmp_path / "rgba.png"), np.concatenate([DEEP[..., ::-1], alpha], axis=2))
    np.testing.assert_array_equal(load_image(tmp_path / "rgb.png"), scaled(DEEP))
    np.testing.assert_array_equal(load_image(tmp_path / "rgba.png"), scaled(DEEP))


def test_sixteen_bit_gray_with_alpha(tmp_path: Path) -> None:
    # No common writer makes it, so the chunks are put together by hand: PNG colour type 4, depth 16, no filter.
    gray = DEEP[..., 0]
    pixels = np.stack([gray, np.full_like(gray, 65535)], axis=2).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 8, 12, 16, 4, 0, 0, 0)
    file = tmp_path / "la.png"
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(load_image(file), np.repeat(scaled(gray)[..., None], 3, axis=2))


def test_alpha_is_dropped_and_the_colour_beneath_kept(tmp_path: Path) -> None:
    alpha = np.arange(96, dtype=np.uint8).reshape(12, 8, 1)
    Image.fromarray(np.concatenate([NOISE, alpha], axis=2)).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(load_image(tmp_path / "rgba.png"), NOISE)
    Image.fromarray(np.concatenate([NOISE[..., :1], alpha], axis=2), mode="LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(load_image(tmp_path / "la.png"), np.repeat(NOISE[..., :1], 3, axis=2))


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    colours = np.array([[10, 20, 30], [200, 100, 0]], dtype=np.uint8)
    index = (np.arange(96).reshape(12, 8) % 2).astype(np.uint8)
    image = Image.fromarray(index, mode="P")
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "p.png")
    image.save(tmp_path / "t.png", transparency=b"\x00\x80")
    np.testing.assert_array_equal(load_image(tmp_path / "p.png"), colours[index])
    np.testing.assert_array_equal(load_image(tmp_path / "t.png"), colours[index])


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.transpose(1, 0, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (7, lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        (8, lambda image: np.rot90(image)),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turn, deep: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "turned.png"
    Image.fromarray(DEEP[..., 0] if deep else NOISE).save(file, exif=exif)
    stored = np.repeat(scaled(DEEP[..., :1]), 3, axis=2) if deep else NOISE
    np.testing.assert_array_equal(load_image(file), turn(stored))


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.kron(NOISE, np.ones((8, 8, 1), dtype=np.uint8))).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (jpeg()[:-200], "cannot be decoded, it is truncated or damaged"),
        (jpeg()[:30], "truncated or damaged|no JPEG, PNG or BMP"),
        (b"", "is an empty file"),
        (b"hello", "is no JPEG, PNG or BMP image"),
        (b"GIF89a" + bytes(100), "is no JPEG, PNG or BMP image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "truncated or damaged|no JPEG, PNG or BMP"),
    ],
)
def test_bad_content(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.jpg"
    file.write_bytes(content)
    with pytest.raises(VireidError, match=rf"bad\.jpg .*({message}).*remove it"):
        load_image(file)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(VireidError, match=r"there is no image .*gone.jpg"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(VireidError, match="cannot be decoded"):
        load_image(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [5_001, 10_000, 60_000])
def test_bomb_is_refused_from_its_header(tmp_path: Path, side: int) -> None:
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", side, 5_000 if side == 5_001 else side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(VireidError, match=r"bomb.png must have at most 25000000 pixels and 100000 along a side"):
        load_image(tmp_path / "bomb.png")


def test_batch_is_resized_in_the_order_of_rows(folder: Path) -> None:
    records = read_folder(folder)
    rows = np.array([5, 0, 5])
    batch = load_batch(records, rows, height=20, width=10)
    assert batch.shape == (3, 3, 20, 10)
    assert batch.dtype == torch.uint8
    for place, row in enumerate(rows):
        with Image.open(records.file(int(row))) as image:
            wanted = np.asarray(image.convert("RGB").resize((10, 20), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(batch[place].permute(1, 2, 0).numpy(), wanted)
    assert torch.equal(ImageDataset(records, rows, height=20, width=10)[1], batch[1])
    assert len(ImageDataset(records, height=20, width=10)) == len(records)
    assert load_batch(records, np.array([], dtype=np.int64), height=20, width=10).shape == (0, 3, 20, 10)


def test_wrong_sizes_and_rows(folder: Path) -> None:
    records = read_folder(folder)
    with pytest.raises(VireidError, match="positive height and width, got 0 x 10"):
        ImageDataset(records, height=0, width=10)
    with pytest.raises(VireidError, match=r"rows must lie in 0 \.\. 7, got -1 \.\. 8"):
        ImageDataset(records, np.array([-1, 8]), height=2, width=2)
    records.file(3).write_bytes(b"")
    with pytest.raises(VireidError, match="is an empty file"):
        load_batch(records, np.array([3]), height=2, width=2)


def test_content_that_was_read_already_is_decoded_alike(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), DEEP)
    Image.fromarray(DEEP[..., 0]).save(tmp_path / "gray.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(NOISE).save(tmp_path / "turned.jpg", exif=turned)
    for file in tmp_path.iterdir():
        np.testing.assert_array_equal(decode_image(file.read_bytes(), "any name"), load_image(file))
    for content, text in ((b"", "x.jpg is an empty file"), (b"GIF89a", "x.jpg is no JPEG, PNG or BMP image")):
        with pytest.raises(VireidError, match=text):
            decode_image(content, "x.jpg")
