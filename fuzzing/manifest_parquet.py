"""A manifest as Parquet."""

import datetime
import io

import atheris
import pyarrow as pa
import pyarrow.parquet

with atheris.instrument_imports(include=["vireid"]):
    from vireid.data.manifest import read_manifest

from harness import fuzz


def _seed(compression, **columns):
    table = {"path": ["a.jpg", "b.png"], "person": [1.0, None], "camera": [1, 2], "modality": ["visible", "infrared"]}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(table | columns), stream, compression=compression)
    return stream.getvalue()


MOMENT = datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)

fuzz(
    "manifest_parquet",
    read_manifest,
    file="m.parquet",
    seeds=[
        _seed("none"),
        _seed("snappy", time=[MOMENT, None]),
        _seed("none", track=[b"x", b"y"], split=["train", None]),
    ],
)
