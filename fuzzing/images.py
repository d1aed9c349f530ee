"""Images as data sets hold them, and as they are uploaded."""

import io

import atheris
import numpy as np

with atheris.instrument_imports(include=["vireid", "PIL"]):
    from PIL import Image, PngImagePlugin

    from vireid.data.images import load_image
    from vireid.service.uploads import check_image, readable

from harness import checked, fuzz


def _read(file):
    content = file.read_bytes()
    checked(lambda: (check_image(content, "upload", **LIMITS), readable(content, "upload")))
    load_image(file)


LIMITS = {"max_pixels": 4_000_000, "max_side": 4000}


def _seed(kind, mode="RGB", **options):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 4), dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0]).convert(mode) if mode != "RGBA" else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


turned = Image.Exif()
turned[0x0112] = 6
text = PngImagePlugin.PngInfo()
text.add_itxt("a", "b" * 20, zip=True)
text.add_text("c", "d", zip=True)
frames = [Image.new("RGB", (7, 9), (place * 60, 0, 0)) for place in range(3)]
fuzz(
    "images",
    _read,
    file="a.jpg",
    seeds=[
        _seed("JPEG", exif=turned),
        _seed("JPEG", "CMYK"),
        _seed("JPEG", "L", progressive=True),
        _seed("PNG", exif=turned, pnginfo=text),
        _seed("PNG", "P", transparency=b"\x00\x80"),
        _seed("PNG", "RGBA"),
        _seed("PNG", "I;16"),
        _seed("PNG", "1"),
        _seed("PNG", save_all=True, append_images=frames),
        _seed("BMP"),
        _seed("BMP", "P"),
        _seed("BMP", "1"),
        _seed("WEBP", "RGBA"),
        _seed("WEBP", save_all=True, append_images=frames),
        _seed("GIF", "P"),
        _seed("TIFF"),
    ],
)
