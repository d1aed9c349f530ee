"""Features from anybody: what unpacks to far more than the file holds, or is no file at all."""

import io
import os
import zipfile

import numpy as np
import pytest

from vireid.types import Embeddings, VireidError

PATHS = np.array(["a.png", "b.png"])


def npy(shape: str, *, body: bytes = b"") -> bytes:
    """An array file whose header claims a shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def archive(file, features: bytes, *, compression: int = zipfile.ZIP_DEFLATED) -> None:
    paths = io.BytesIO()
    np.save(paths, PATHS)
    with zipfile.ZipFile(file, "w", compression) as content:
        content.writestr("features.npy", features)
        content.writestr("paths.npy", paths.getvalue())


@pytest.mark.parametrize("shape", ["(1000000000000, 1000)", "(1000000000, 1)", "(2, -1)", "((((((", "(" * 4000])
def test_a_header_that_claims_too_much_is_refused(tmp_path, shape):
    archive(tmp_path / "f.npz", npy(shape, body=bytes(8)))
    with pytest.raises(VireidError, match=r"f.npz is not a readable .npz of plain arrays: "):
        Embeddings.load(tmp_path / "f.npz")


def test_features_that_unpack_to_far_more_are_refused(tmp_path):
    noise = np.random.default_rng(0).bytes(300_000)
    archive(tmp_path / "f.npz", npy("(2, 3100000)", body=noise + bytes(24_500_000)))
    with pytest.raises(VireidError, match=r"it holds 3\d+ bytes, but says to unpack to 248\d+"):
        Embeddings.load(tmp_path / "f.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    archive(tmp_path / "f.npz", npy("(2, 40000000)", body=bytes(320_000_000)))
    assert (tmp_path / "f.npz").stat().st_size < 1_000_000
    with pytest.raises(VireidError, match=r"it holds \d+ bytes, but says to unpack to 320000"):
        Embeddings.load(tmp_path / "f.npz")


def test_what_compresses_well_is_no_bomb(tmp_path):
    paths = np.array([f"cam{row % 6 + 1}/{row:04d}/{row:04d}.jpg" for row in range(20_000)], dtype="<U120")
    features = np.random.default_rng(0).random((len(paths), 2), dtype=np.float32)
    np.savez_compressed(tmp_path / "f.npz", features=features, paths=paths)
    assert len(Embeddings.load(tmp_path / "f.npz").paths) == len(paths)


@pytest.mark.parametrize("method", [1, 9, 97, 99])
def test_a_compression_that_is_not_known_here_is_refused(tmp_path, method):
    archive(tmp_path / "f.npz", npy("(2, 1)", body=bytes(8)))
    content = bytearray((tmp_path / "f.npz").read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.find(mark)
        content[start + place] = method
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(VireidError, match=r"f.npz is not a readable .npz of plain arrays: "):
        Embeddings.load(tmp_path / "f.npz")


def test_numbers_too_large_for_float32_are_refused(tmp_path):
    np.savez(tmp_path / "f.npz", features=np.array([[1e300], [1.0]]), paths=PATHS)
    with pytest.raises(VireidError, match="1 of 2 rows hold NaN or infinity"):
        Embeddings.load(tmp_path / "f.npz")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "f.npz")
    with pytest.raises(VireidError, match="it is no regular file"):
        Embeddings.load(tmp_path / "f.npz")
