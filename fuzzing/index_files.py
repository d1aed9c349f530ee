"""Index files: identities with commas, and lines of path and label."""

import atheris

with atheris.instrument_imports(include=["vireid"]):
    from vireid.data.index_files import read_id_text, read_labelled_paths

from harness import checked, fuzz


def _read(file):
    for reader in (read_id_text, read_labelled_paths):
        checked(lambda reader=reader: reader(file))


fuzz(
    "index_files",
    _read,
    file="train_id.txt",
    seeds=[b"1,2,3,10\n", b"0001, 0002\n", b"Visible/1/a.bmp 0\nVisible/2/b.bmp 1\n", b"vis/0001/0001_c1_a.jpg 0\r\n"],
)
