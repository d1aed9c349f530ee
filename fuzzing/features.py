"""Features from anywhere."""

import io

import atheris
import numpy as np

with atheris.instrument_imports(include=["vireid", "numpy.lib._format_impl", "numpy.lib._npyio_impl", "zipfile"]):
    from vireid.types import Embeddings

from harness import fuzz


def _seed(save, **content):
    stream = io.BytesIO()
    save(stream, **content)
    return stream.getvalue()


CONTENT = {"features": np.eye(2, 3, dtype=np.float32), "paths": np.array(["a.jpg", "b.jpg"])}
fuzz(
    "features",
    Embeddings.load,
    file="f.npz",
    seeds=[
        _seed(np.savez, **CONTENT),
        _seed(np.savez_compressed, **CONTENT, maker=np.array("abc bn")),
        _seed(np.savez, features=np.eye(2, dtype=np.int8), paths=np.array([b"a", b"b"])),
        _seed(lambda stream, **arrays: np.save(stream, arrays["features"]), **CONTENT),
    ],
)
