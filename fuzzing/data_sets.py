"""Whole index folders: SYSU-MM01's exp, RegDB's and LLCM's idx, the fuzzer's bytes shared out among their files."""

import atheris

with atheris.instrument_imports(include=["vireid"]):
    from vireid.data import read_llcm, read_regdb, read_sysu_mm01

from harness import checked, fuzz

REGDB = [f"idx/{split}_{light}_1.txt" for split in ("train", "test") for light in ("visible", "thermal")]
FILES = {
    "sysu": ["exp/train_id.txt", "exp/val_id.txt", "exp/test_id.txt"],
    "regdb": REGDB,
    "llcm": ["idx/train_vis.txt", "idx/train_nir.txt", "idx/test_id.txt"],
}
PATHS = ["cam1/0001/a.jpg", "cam3/0002/b.jpg"]


def _read(file):
    parts = file.read_bytes().split(b"|")
    root = file.parent / "root"
    for names in FILES.values():
        for name, part in zip(names, parts):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(part)
    for reader in (
        lambda: read_sysu_mm01(root, paths=PATHS),
        lambda: read_regdb(root, trial=1),
        lambda: read_regdb(root, trial=1, paths=["Visible/3/a.bmp", "Thermal/3/a.bmp"]),
        lambda: read_llcm(root, paths=["vis/0001/0001_c01_a.jpg"]),
    ):
        checked(reader)


fuzz(
    "data_sets",
    _read,
    file="parts",
    seeds=[
        b"1,3\n|4\n|2,5\n",
        b"Visible/1/a.bmp 0\n|Thermal/1/a.bmp 0\n|Visible/3/a.bmp 0\n|Thermal/3/a.bmp 0\n",
        b"vis/0001/0001_c01_a.jpg 0\n|nir/0001/0001_c02_a.jpg 0\n|2,3\n",
    ],
)
