"""What a run, a gallery and a cache say of themselves: settings, log, results, gallery.json, header.json."""

import json
import pathlib

import atheris

with atheris.instrument_imports(include=["vireid"]):
    from vireid.cli.config import TrainConfig
    from vireid.cli.recipe_config import RecipeConfig
    from vireid.cli.run_settings import read_settings, write_settings
    from vireid.data.pixel_store import PixelStore
    from vireid.evaluation.stored_results import read_result
    from vireid.retrieval.gallery_facts import GalleryFacts
    from vireid.retrieval.gallery_folder import open_folder
    from vireid.training import read_run

from harness import checked, fuzz


def _read(file):
    content = file.read_bytes()
    folder = file.parent
    (folder / "log.jsonl").write_bytes(content)
    (folder / "gallery").mkdir(exist_ok=True)
    (folder / "gallery" / "gallery.json").write_bytes(content)
    store = PixelStore(folder / "pixels", height=4, width=2)
    store.folder.mkdir(parents=True, exist_ok=True)
    (store.folder / "header.json").write_bytes(content)

    def settings():
        (folder / "log.jsonl").unlink()
        return read_settings(read_run(folder).settings, root=folder, out=folder)

    for reader in (
        lambda: read_run(folder),
        settings,
        lambda: read_result(file),
        store.read,
        lambda: open_folder(folder / "gallery", create=False, model=None, dimension=None),
    ):
        checked(reader)


STEP = {"step": 0, "epoch": 0, "loss/identity": 1.5, "learning_rate": 0.1, "images": 48, "seconds": 0.5}
FACTS = GalleryFacts(collection="0" * 32, model="m bn", dimension=4, created="2026-01-01T00:00:00+00:00")
SETTINGS = write_settings(TrainConfig(root=pathlib.Path("r"), out=pathlib.Path("o"), recipe=RecipeConfig()))
TRIAL = {"cmc": [0.5] * 50, "map": 0.4, "minp": 0.3, "valid": 2, "queries": 2, "gallery": 4}
PROTOCOL = {"name": "sysu-mm01", "dataset": "sysu"}
fuzz(
    "json_files",
    _read,
    file="config.json",
    seeds=[
        json.dumps(STEP).encode() + b"\n" + json.dumps(STEP).encode() + b"\n",
        json.dumps(FACTS.to_json()).encode(),
        json.dumps({"settings": SETTINGS, "versions": {"torch": "2"}, "started": "2026"}).encode(),
        json.dumps({"settings": {"network.height": 64, "network.streams": "dual", "root": "x"}}).encode(),
        json.dumps({"protocol": PROTOCOL, "trials": [TRIAL], "weights": "x"}).encode(),
        json.dumps(PixelStore(pathlib.Path("p"), height=4, width=2)._header).encode(),
    ],
)
