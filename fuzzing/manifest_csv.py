"""A manifest as CSV."""

import atheris

with atheris.instrument_imports(include=["vireid"]):
    from vireid.data.manifest import number_names, read_manifest

from harness import fuzz

HEAD = b"path,person,camera,modality,split,time,track\n"


def _read(file):
    manifest = read_manifest(file)
    number_names(manifest.persons, "person", "m.csv")
    number_names(manifest.cameras, "camera", "m.csv")


fuzz(
    "manifest_csv",
    _read,
    file="m.csv",
    seeds=[
        HEAD + b'a.jpg,ann,door,visible,train,12.5,t1\n"b, c.PNG",-1,7,Infrared,,,\n',
        HEAD + b"a.jpg,1,2,visible,query,2024-05-01T22:15:00+02:00,\nb.bmp,01,2,infrared,gallery,2024-05-01Z,\n",
        b"\xef\xbb\xbfpath,person,camera,modality\n../a.jpg,1,1,visible\n",
    ],
)
