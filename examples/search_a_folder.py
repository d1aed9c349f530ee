"""From crops of a day camera and a night camera to ranked matches, and to a person who is forgotten.

CROPS/<camera>/<person>/<time>_*.jpg is indexed into a gallery that stays; night images of a person, fused to one query,
are looked for among the day's images of one camera and some hours. Then all sightings of that person are deleted.
Without arguments made crops and an untrained network show how it goes; with a trained one:

    python examples/search_a_folder.py --crops crops --run runs/mscmnet --gallery gallery --person 0007
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from vireid.models import build_network, save_network
from vireid.retrieval import Conditions, Embedder, fuse, index_folder, open_gallery
from vireid.synthetic import write_world
from vireid.types import Modality


def search_and_forget(options: argparse.Namespace) -> None:
    embedder = Embedder.from_run(options.run)
    with open_gallery(options.gallery, create=True, model=embedder.model, dimension=embedder.dimension) as gallery:
        added = index_folder(embedder, gallery, options.crops, levels=("camera", "person"))
        print(f"indexed: {added.new} new, {added.known} known, by camera {gallery.cameras()}")

        night = sorted((options.crops / options.night / options.person).iterdir())
        vectors, modalities = embedder.embed(night)
        print(f"query: {len(night)} images of {options.person}, {modalities[0].value} by their pixels")
        wanted = Conditions(
            cameras=(options.day,),
            modality=Modality.VISIBLE,
            since=options.since,
            until=options.until,
        )
        [matches] = gallery.search(fuse(vectors)[None], model=embedder.model, top=5, conditions=wanted)
        print(f"{gallery.count(wanted)} of {gallery.count()} sightings meet the conditions; the nearest:")
        for rank, match in enumerate(matches, start=1):
            seen = match.sighting
            print(f"  {rank}. {match.score:.3f} {seen.camera} {seen.time:%H:%M:%S} person {seen.person}")

        everything = Conditions(persons=(options.person,))
        print(f"deleted: {gallery.delete(everything)} sightings of {options.person}")
        gallery.compact()  # until then the engine may keep their bytes
        print(f"left: {gallery.count(everything)} of {options.person}, {gallery.count()} in all")


def make_crops(root: Path, world: Path) -> None:
    """Twelve made people, by day at the gate from ten o'clock, by night in the yard from ten in the evening."""
    write_world(world, layout="folder", persons=12, images_per_camera=2, height=64, width=32, seed=0, workers=1)
    for camera, hour, number in (("gate", 10, "1"), ("yard", 22, "4")):
        for minute, image in enumerate(sorted(world.glob(f"*/*/{number}_*.jpg"))):
            target = root / camera / image.parent.name / f"20260101T{hour}{minute:02d}00Z.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            image.replace(target)


def make_run(run: Path) -> None:
    """A network as it is before training: its matches are little better than chance."""
    network = build_network(
        identities=2,
        image_size=(64, 32),
        backbone="resnet10t",
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
    )
    save_network(network, run / "weights.safetensors", facts={"checkpoint_rule": "untrained"})


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(timezone.utc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=Path, help="CROPS/<camera>/<person>/<time>_*.jpg; made ones by default")
    parser.add_argument("--run", type=Path, help="run directory of a trained network; an untrained one by default")
    parser.add_argument("--gallery", type=Path, help="folder of the gallery; forgotten at the end by default")
    parser.add_argument("--day", default="gate", help="camera to search in")
    parser.add_argument("--night", default="yard", help="camera of the query")
    parser.add_argument("--person", default="0007")
    parser.add_argument("--since", type=time, default=time("2026-01-01T10:05+00:00"))
    parser.add_argument("--until", type=time, default=time("2026-01-01T10:20+00:00"))
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        options.gallery = options.gallery or Path(scratch) / "gallery"
        if options.crops is None:
            options.crops = Path(scratch) / "crops"
            make_crops(options.crops, Path(scratch) / "world")
        if options.run is None:
            options.run = Path(scratch) / "run"
            make_run(options.run)
        search_and_forget(options)


if __name__ == "__main__":
    main()
