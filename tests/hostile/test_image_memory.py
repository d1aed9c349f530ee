"""The largest images that are taken, decoded in a process of their own: what memory that needs at its peak."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from vireid.data.images import MAX_PIXELS

SIDE = 5_000
MOST = 256 * 2**20

MEASURE = """
import io, os, re, sys
from pathlib import Path
from PIL import Image
from vireid.data.dataset import resize_image
from vireid.data.images import decode_image, load_image
from vireid.service.uploads import readable

def memory(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def load(file):
    return decode_image(readable(file.read_bytes(), "upload"), "upload") if file.suffix == ".webp" else load_image(file)

for kind in ("PNG", "JPEG", "BMP", "WEBP"):
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, kind)
    decode_image(readable(stream.getvalue(), "warm"), "warm")
for file in sys.argv[1:]:
    if process := os.fork():
        assert os.waitpid(process, 0)[1] == 0, file
    else:
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        resize_image(load(Path(file)), height=256, width=128)
        print(memory("VmHWM") - before, flush=True)
        os._exit(0)
"""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(depth: int, colour: int, *, width: int = SIDE, height: int = SIDE, before: bytes = b"") -> bytes:
    line = 1 + width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(line)) for _ in range(height)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256)) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + header + before + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


LARGEST: dict[str, Callable[[], bytes]] = {
    "colour.png": lambda: png(8, 2),
    "alpha.png": lambda: png(8, 6),
    "palette.png": lambda: png(8, 3),
    "gray_of_16_bits.png": lambda: png(16, 0),
    "gray_of_16_bits_with_alpha.png": lambda: png(16, 4),
    "colour_of_16_bits_with_alpha.png": lambda: png(16, 6),
    "turned.png": lambda: png(8, 2, before=chunk(b"eXIf", turned(6)[6:])),
    "long.png": lambda: png(8, 6, width=100_000, height=250),
    "colour.jpg": lambda: saved("JPEG", exif=turned(8)),
    "progressive.jpg": lambda: saved("JPEG", progressive=True, subsampling=0, quality=95),
    "inks.jpg": lambda: saved("JPEG", "CMYK", (SIDE, 3_750), progressive=True, subsampling=0),
    "colour.bmp": lambda: saved("BMP"),
    # As many pixels as a service takes; one that moves needs no more.
    "upload.webp": lambda: saved("WEBP", "RGBA", (4_000, 4_000), lossless=True, quality=0, method=0),
}


def test_no_image_takes_more_than_its_share(tmp_path: Path) -> None:
    assert SIDE**2 == MAX_PIXELS
    for name, make in LARGEST.items():
        (tmp_path / name).write_bytes(make())
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in LARGEST)],
        capture_output=True,
        text=True,
        check=True,
    )
    peaks = dict(zip(LARGEST, map(int, told.stdout.split()), strict=True))
    assert {name: peak >> 20 for name, peak in peaks.items() if peak > MOST} == {}
    # The measure sees an image at all: its pixels and what Pillow holds of them.
    assert min(peaks.values()) > 3 * SIDE**2


@pytest.mark.parametrize("size", [(7680, 3240), (3840, 2160), (5712, 4284), (4000, 6000)])
def test_frames_of_cameras_and_photographs_of_phones_are_small_enough(size: tuple[int, int]) -> None:
    assert size[0] * size[1] <= MAX_PIXELS
