"""Part maps from disk: whose they are, what their numbers are, and what is refused."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vireid.data import HOW_TO_GET_PART_MAPS, count_part_maps, load_image, load_part_maps, read, read_folder
from vireid.synthetic import PART_NAMES, write_world
from vireid.types import Record, Records, VireidError

NUMBERS = np.random.default_rng(0).integers(0, 4, (32, 16), dtype=np.uint8)
NUMBERS[3, 5] = 255


@pytest.fixture
def records(folder: Path) -> Records:
    return read_folder(folder)


def place(records: Records, folder: Path, row: int) -> Path:
    file = (folder / str(records.paths[row])).with_suffix(".png")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def load(records: Records, folder: Path, *, parts: int = 4, height: int = 32, width: int = 16) -> torch.Tensor:
    return load_part_maps(records, np.array([2]), folder=folder, parts=parts, height=height, width=width)


def test_rows_keep_their_order_and_an_image_without_a_map_is_unknown(records: Records, tmp_path: Path) -> None:
    Image.fromarray(NUMBERS).save(place(records, tmp_path, 2))
    Image.fromarray(NUMBERS[::-1].copy()).save(place(records, tmp_path, 5))
    rows = np.array([5, 0, 2, 5])
    maps = load_part_maps(records, rows, folder=tmp_path, parts=4, height=32, width=16)
    assert maps.dtype == torch.uint8
    np.testing.assert_array_equal(maps[2].numpy(), NUMBERS)
    np.testing.assert_array_equal(maps[0].numpy(), NUMBERS[::-1])
    assert torch.equal(maps[0], maps[3])
    assert (maps[1] == 255).all()
    assert count_part_maps(records, rows, folder=tmp_path) == 3
    assert count_part_maps(records, rows, folder=tmp_path / "elsewhere") == 0


def test_a_palettes_numbers_count_not_its_colours(records: Records, tmp_path: Path) -> None:
    file = place(records, tmp_path, 2)
    few = NUMBERS % 4  # Pillow packs few colours into two bits a pixel
    image = Image.fromarray(few).convert("P")
    image.putdata(few.ravel().tolist())
    image.putpalette([9, 9, 9, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(file, bits=2)
    with Image.open(file) as written:
        assert (written.mode, str(written.tile[0].args)) == ("P", "P;2")
    np.testing.assert_array_equal(load(records, tmp_path)[0].numpy(), few)


def test_resizing_takes_the_nearest_pixel_and_mixes_none(records: Records, tmp_path: Path) -> None:
    Image.fromarray(NUMBERS).save(place(records, tmp_path, 2))
    half = load(records, tmp_path, height=16, width=8)[0].numpy()
    np.testing.assert_array_equal(half, NUMBERS[1::2, 1::2])
    double = load(records, tmp_path, height=64, width=32)[0].numpy()
    np.testing.assert_array_equal(double, NUMBERS.repeat(2, axis=0).repeat(2, axis=1))


def test_the_made_worlds_maps_fit_its_images(tmp_path: Path) -> None:
    root = tmp_path / "world"
    write_world(
        root, layout="sysu", persons=4, images_per_camera=1, height=48, width=24, seed=0, part_maps=True, workers=1
    )
    records = read("sysu", root)
    rows = np.arange(len(records))
    folder = root / "parts"
    assert count_part_maps(records, rows, folder=folder) == len(records)
    maps = load_part_maps(records, rows, folder=folder, parts=len(PART_NAMES), height=48, width=24)
    found = set(maps.unique().tolist())
    assert found >= {PART_NAMES.index(part) for part in ("background", "head", "upper", "lower", "arms", "feet")}
    assert found <= set(range(len(PART_NAMES)))
    assert load_image(records.file(0)).shape[:2] == maps.shape[1:]
    with pytest.raises(VireidError, match=r"must hold 0 \.\. 3, or 255 for unknown, but .*cam1.*\.png holds [456]; "):
        load_part_maps(records, rows, folder=folder, parts=4, height=48, width=24)


def test_numbers_beyond_the_parts_are_refused(records: Records, tmp_path: Path) -> None:
    Image.fromarray(NUMBERS).save(place(records, tmp_path, 2))
    with pytest.raises(VireidError, match=r"for 3 parts must hold 0 \.\. 2, or 255 .*\.png holds 3; set the number"):
        load(records, tmp_path, parts=3)


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.zeros((4, 4, 3), dtype=np.uint8), "RGB"),
        (np.zeros((4, 4, 4), dtype=np.uint8), "RGBA"),
        (np.zeros((4, 4), dtype=np.uint16), "I;16B"),
        (np.zeros((4, 4), dtype=bool), "1"),
    ],
)
def test_pixels_that_are_no_numbers_of_parts(records: Records, tmp_path: Path, pixels: np.ndarray, kind: str) -> None:
    Image.fromarray(pixels).save(place(records, tmp_path, 2))
    with pytest.raises(
        VireidError, match=rf"must be a PNG of 8-bit gray or with a palette, but .*png has pixels {kind}"
    ):
        load(records, tmp_path)


def test_gray_of_four_bits_is_refused_not_stretched(records: Records, tmp_path: Path) -> None:
    # No common writer makes it: PNG colour type 0, depth 4, two pixels a byte, no filter.
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 4, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\x12\0\x30")) + chunk(b"IEND", b"")
    place(records, tmp_path, 2).write_bytes(content)
    with pytest.raises(VireidError, match="has pixels L;4; write the number"):
        load(records, tmp_path)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def bomb() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", 8_001, 8_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is an empty file; make it again, or remove it"),
        (cv2.imencode(".jpg", NUMBERS)[1].tobytes(), "is no PNG image; make it again, or remove it"),
        (png(NUMBERS)[:-60], "cannot be decoded, it is truncated or damaged"),
        (bomb(), "must have at most 25000000 pixels and 100000 along a side, got 8001 x 8000"),
    ],
)
def test_bad_files(records: Records, tmp_path: Path, content: bytes, message: str) -> None:
    place(records, tmp_path, 2).write_bytes(content)
    with pytest.raises(VireidError, match=rf"\.png {message}"):
        load(records, tmp_path)


def test_arguments_out_of_range(records: Records, tmp_path: Path) -> None:
    with pytest.raises(VireidError, match="1 to 255 parts, got 32 x 16 and 256 parts"):
        load(records, tmp_path, parts=256)
    with pytest.raises(VireidError, match=r"positive height and width .* got 0 x 16"):
        load(records, tmp_path, height=0)
    for rows in (np.array([8]), np.array([-1])):
        with pytest.raises(VireidError, match=r"rows must lie in 0 \.\. 7"):
            count_part_maps(records, rows, folder=tmp_path)
    none = np.array([], dtype=np.int64)
    assert load_part_maps(records, none, folder=tmp_path, parts=2, height=3, width=2).shape == (0, 3, 2)


@pytest.mark.parametrize("path", ["../secret.jpg", "a/../../secret.jpg", "/etc/secret.jpg"])
def test_a_path_out_of_the_folder_is_not_followed(records: Records, tmp_path: Path, path: str) -> None:
    row = records[0]
    away = Record(path=path, person=row.person, camera=row.camera, modality=row.modality, split=row.split)
    table = Records.build(records.root, [away])
    with pytest.raises(VireidError, match="must stay inside their root, got "):
        count_part_maps(table, np.array([0]), folder=tmp_path)


def test_the_advice_names_the_command() -> None:
    assert "vireid synth --part-maps" in HOW_TO_GET_PART_MAPS
