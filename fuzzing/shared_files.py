"""What comes from a repository of the Hub: the names of its files, checksums, settings, card."""

import json
import shutil

import atheris

with atheris.instrument_imports(include=["vireid.sharing", "vireid.types"]):
    from vireid.sharing.card_file import _before
    from vireid.sharing.fetching import check_hashes, shared_names
    from vireid.sharing.pulling import copy_shared

from harness import checked, fuzz


def _read(file):
    content = file.read_bytes()
    source, target = file.parent / "source", file.parent / "target"
    source.mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("sha256.json", "README.md", "weights.safetensors"):
        (source / name).write_bytes(content)
    checked(lambda: copy_shared(source, target))
    checked(lambda: check_hashes(target, required=True))
    checked(lambda: _before(target / "README.md", overwrite=False))
    checked(lambda: _before(target / "README.md", overwrite=True))
    names = content.decode("utf-8", "replace").split("\n")
    wanted = []
    checked(lambda: wanted.extend(shared_names("a/b", dict.fromkeys(["weights.safetensors", *names], 1))))
    for name in wanted:
        if not (target / name).resolve().is_relative_to(target.resolve()):
            raise AssertionError(f"{name!r} leads out")


CARD = """---
license: mit
tags: [a]
model-index:
- name: x
  results: []
---
mine
<!-- vireid 0123456789abcdef: written by vireid card up to the next mark; what you add outside the marks is kept -->
body
<!-- vireid: end -->
"""
fuzz(
    "shared_files",
    _read,
    file="any",
    seeds=[
        json.dumps({"weights.safetensors": "0" * 64, "results/a.json": "1" * 64}).encode(),
        CARD.encode(),
        b"results/a.json\nconfig.json\nREADME.md\n../x\n/etc/passwd\nresults/../a.json\nlog.jsonl",
    ],
)
