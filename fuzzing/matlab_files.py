"""SYSU-MM01's lists and orders as MATLAB files."""

import io

import atheris
import numpy as np
import scipy.io

with atheris.instrument_imports(include=["vireid", "scipy.io.matlab"]):
    from vireid.data.sysu_mm01 import read_sysu_ids, read_sysu_permutations

from harness import checked, fuzz


def _read(file):
    (root := file.parent / "root").joinpath("exp").mkdir(parents=True, exist_ok=True)
    content = file.read_bytes()
    for name in ("test_id.mat", "rand_perm_cam.mat"):
        (root / "exp" / name).write_bytes(content)
    checked(lambda: read_sysu_ids(root, "test"))
    orders = read_sysu_permutations(root)
    for camera in range(8):
        orders.images(camera, 1, listed=2)


def _seed(**content):
    stream = io.BytesIO()
    scipy.io.savemat(stream, content, do_compression=False)
    return stream.getvalue()


ORDER = np.array([[1, 2]] * 10, dtype=np.uint8)
CELLS = np.empty((6, 1), dtype=object)
for place in range(6):
    CELLS[place, 0] = np.empty((1, 1), dtype=object)
    CELLS[place, 0][0, 0] = ORDER

fuzz(
    "matlab_files",
    _read,
    file="any.mat",
    seeds=[_seed(id=np.array([[1, 2, 3]])), _seed(rand_perm_cam=CELLS), _seed(id=np.array(["1", "2"]), other={"a": 1})],
)
