"""Images from anybody, in a data set and as uploads."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from vireid.cli.search_gallery import _content
from vireid.data import load_image
from vireid.data.images import decode_image
from vireid.retrieval import Sighting
from vireid.service.image_shelf import ImageShelf
from vireid.service.uploads import check_image, readable
from vireid.types import Modality

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 12, 3), dtype=np.uint8)
PROFILE = b"a\0\0" + zlib.compress(bytes(900_000))
LIMITS = {"max_pixels": 4_000_000, "max_side": 4_000}
quick = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def turned(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes = b"", before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


SEEDS = {
    "jpeg": encoded("JPEG", exif=turned(6)),
    "cmyk": encoded("JPEG", "CMYK"),
    "progressive": encoded("JPEG", "L", progressive=True),
    "png": encoded("PNG", exif=turned(3)),
    "palette": encoded("PNG", "P", transparency=b"\x00\x80"),
    "bits": encoded("PNG", "1"),
    "deep": encoded("PNG", "I;16"),
    "animated": encoded("PNG", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
    "bmp": encoded("BMP"),
    "webp": encoded("WEBP", "RGBA"),
    "moving": encoded("WEBP", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
}


def upload(content: bytes) -> object:
    check_image(content, "upload", **LIMITS)
    return decode_image(readable(content, "upload"), "upload")


def decode(content: bytes) -> object:
    return decode_image(content, "image")


@pytest.mark.parametrize("reader", [decode, upload])
@quick
@given(
    seed=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 400),
    more=st.binary(max_size=8),
)
def test_changed_bytes_are_harmless(harmless, reader, seed, changes, cut, more):
    content = bytearray(SEEDS[seed])
    for place, value in changes:
        content[place % len(content)] = value
    harmless(reader, bytes(content[: max(0, len(content) - cut)]) + more)


@pytest.mark.parametrize("reader", [decode, upload])
@pytest.mark.parametrize(
    "content",
    [
        png(100_000, 1),
        png(1, 100_000),
        png(100_000, 100_000),
        png(2**31 - 1, 2**31 - 1),
        png(0, 0),
        png(0, 5),
        png(8_000, 8_000),
        png(4, 4, depth=16, colour=3),
        png(4, 4, depth=3, colour=9),
        SEEDS["bmp"][:18] + struct.pack("<ii", 100_000, 100_000) + SEEDS["bmp"][26:],
        SEEDS["bmp"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + SEEDS["bmp"][26:],
        SEEDS["bmp"][:18] + struct.pack("<ii", 0, 0) + SEEDS["bmp"][26:],
        SEEDS["bmp"][:18] + struct.pack("<ii", -5, 5) + SEEDS["bmp"][26:],
    ],
    ids=range(13),
)
def test_a_size_that_the_content_does_not_bear_out_is_harmless(harmless, reader, content):
    assert harmless(reader, content)


def test_a_long_thin_image_is_an_image(harmless):
    assert not harmless(decode, png(100_000, 1, data=bytes(300_001)))
    assert decode_image(png(1, 1, data=bytes(4)), "x").shape == (1, 1, 3)


def test_text_that_unpacks_to_far_more_is_harmless(harmless):
    packed = zlib.compress(bytes(200_000_000))
    for name, body in ((b"zTXt", b"a\0\0" + packed), (b"iTXt", b"a\0\1\0\0\0" + packed), (b"iCCP", b"a\0\0" + packed)):
        harmless(decode, png(4, 4, data=bytes(52), before=chunk(name, body)))


def test_pixels_that_unpack_to_far_more_are_harmless(harmless):
    harmless(decode, png(4, 4, data=bytes(200_000_000)))


@pytest.mark.parametrize("reader", [decode, upload])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: png(4, 4, data=bytes(52), before=chunk(b"aaAa", b"") * 200_000), "far too many small pieces"),
        (lambda: png(4, 4, data=bytes(52), before=chunk(b"iCCP", PROFILE) * 9_000), "far too many small pieces"),
        (lambda: SEEDS["jpeg"][:2] + b"\xff" * 2_000_000 + SEEDS["jpeg"][2:], "far too many small pieces"),
        (lambda: SEEDS["jpeg"][:2] + b"\xff\xe5\0\2" * 500_000 + SEEDS["jpeg"][2:], "far too many small pieces"),
        (lambda: png(4, 4, data=bytes(52), before=chunk(b"aaAa", bytes(17_000_000))), "bytes beside its pixels"),
    ],
    ids=["chunks", "profiles", "fill", "segments", "large"],
)
def test_a_header_without_end_is_given_up(harmless, reader, make, message):
    assert message in harmless(reader, make())


@pytest.mark.parametrize("reader", [decode, upload])
def test_scans_without_end_are_given_up(harmless, reader):
    content = encoded("JPEG", progressive=True)
    last = content.rfind(b"\xff\xda")
    scan = content[last:-2]
    assert not harmless(reader, content[:last] + scan * 50 + content[-2:])
    # 8 MB of such scans take a day at 25 million pixels.
    assert "more than 100 scans" in harmless(reader, content[:last] + scan * 30_000 + content[-2:])


def test_a_file_that_is_far_too_large_is_not_read(tmp_path, harmless):
    with (tmp_path / "a.png").open("wb") as stream:
        stream.write(SEEDS["png"])
        stream.truncate(10**12)  # takes no room on the disk
    message = harmless(load_image, tmp_path / "a.png")
    assert "at most 80000000 bytes, but" in message
    assert "has 1000000000000" in message


def test_many_chunks_and_frames_are_harmless(harmless):
    harmless(decode, png(4, 4, data=bytes(52), before=chunk(b"tEXt", b"a\0b") * 1_000))
    harmless(decode, png(4, 4, data=bytes(52), before=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))))
    information = PngImagePlugin.PngInfo()
    for number in range(2_000):
        information.add_text(f"k{number}", "v" * 100)
    harmless(decode, encoded("PNG", pnginfo=information))


@pytest.mark.parametrize("value", [0, 9, 2**16 - 1])
def test_an_orientation_that_is_none_is_no_turn(value):
    assert decode_image(encoded("PNG", exif=turned(value)), "x").shape == PIXELS.shape


def test_an_upload_of_webp_is_turned_upright():
    upright, turn = (readable(encoded("WEBP", lossless=True, exif=turned(value)), "upload") for value in (1, 6))
    assert (decode_image(turn, "x") == np.rot90(decode_image(upright, "x"), -1)).all()
    assert (decode_image(upright, "x") == PIXELS).all()


@quick
@given(exif=st.binary(max_size=60), little=st.booleans())
def test_any_exif_is_harmless(harmless, exif, little):
    body = b"Exif\0\0" + (b"II*\0\x08\0\0\0" if little else b"MM\0*\0\0\0\x08") + exif
    harmless(
        decode, SEEDS["jpeg"][:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + SEEDS["progressive"][2:]
    )


def test_sixteen_bits_of_many_pixels_take_no_more_than_their_image(harmless):
    side = 2_000
    assert not harmless(decode, png(side, side, depth=16, colour=0, data=bytes(side * (2 * side + 1))))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda file: Path(file).symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, harmless, make: Callable[[str], None]):
    make(str(tmp_path / "a.jpg"))
    assert "a.jpg cannot be decoded" in harmless(load_image, tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a\nb.jpg", "\x1b[2J.jpg", "a" * 200 + ".jpg", "<img src=x>.jpg"])
def test_odd_names_stay_on_one_line(tmp_path, harmless, name):
    (tmp_path / name).write_bytes(b"no image")
    assert "is no JPEG, PNG or BMP image" in harmless(load_image, tmp_path / name)


@pytest.mark.parametrize("name", ["pipe", "zero", "folder", "endless"])
def test_a_gallery_that_names_no_image_is_not_read_for_ever(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "endless").open("wb") as stream:
        stream.truncate(10**12)
    sighting = Sighting(key="0" * 64, path=str(tmp_path / name), modality=Modality.VISIBLE)
    config: Any = SimpleNamespace(gallery=str(tmp_path), gallery_root=tmp_path)
    assert _content(config, sighting) is None
    assert ImageShelf(kept=None, root=tmp_path).read(sighting) is None
