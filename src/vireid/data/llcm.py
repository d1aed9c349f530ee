"""LLCM: nine cameras in low light, each of which sees visible and near-infrared (camera 3 visible only)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.index_files import check_disjoint, check_one_to_one, read_id_text, read_labelled_paths
from vireid.data.listing import check_files, check_inside, check_root, is_image_name, list_images
from vireid.data.selection import check_found, check_splits, given_paths
from vireid.types import Modality, Record, Records

__all__ = ["LLCM_INFRARED_CAMERAS", "LLCM_VISIBLE_CAMERAS", "read_llcm"]

LLCM_VISIBLE_CAMERAS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
LLCM_INFRARED_CAMERAS = (1, 2, 4, 5, 6, 7, 8, 9)

_FOLDERS = {Modality.VISIBLE: "vis", Modality.INFRARED: "nir"}
_TRAIN = re.compile(r"(vis|nir)/(\d{4,9})/([^/]+)", re.ASCII)
_CAMERA = re.compile(r"\d+_c0*([1-9])_", re.ASCII)
_TEST = re.compile(r"test_(?:vis/cam[1-9]|nir/cam[12456789])/(\d{4,9})/([^/]+)", re.ASCII)
_LAYOUT = "{vis,nir}/<person>/<person>_c<camera>_*.jpg and test_{vis,nir}/cam<camera>/<person>/*.jpg with idx/"


def read_llcm(root: Path, *, paths: Iterable[str] | None = None, splits: Sequence[str] = ("train", "test")) -> Records:
    """The table of LLCM: train images from the lists in ``idx``, test images as they lie in the camera folders.

    The person is the number of the folder, which must agree one to one with the labels of the train lists; the camera
    of a train image stands in its name (``0351_c06_s200656_f4830_nir.jpg`` is camera 6). Test images of identities that
    are not in ``idx/test_id.txt`` are left out.

    Args:
        root: folder with ``vis``, ``nir``, ``test_vis``, ``test_nir`` and ``idx``.
        paths: relative paths to use instead of what lies on disk; then only ``idx`` is read.
        splits: ``train``, ``test`` or both; only the lists of these need to exist.

    Raises:
        VireidError: missing root, list or image; a path outside the layout; labels that disagree with folders; an
            identity in both splits.

    Reference:
        Zhang and Wang, Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for Visible-Infrared
        Person Re-identification, CVPR 2023.
    """
    check_root(root)
    check_splits(splits)
    given = None if paths is None else given_paths(paths)
    for path in given or ():
        if not (_TRAIN.fullmatch(path) or _TEST.fullmatch(path)):
            raise _outside(path)
    records = []
    if "train" in splits:
        records = _read_train(root)
        if given is None:
            check_files(root, [record.path for record in records], "LLCM's train lists")
        else:
            records = [record for record in records if record.path in set(given)]
    if "test" in splits:
        check_inside(root, "idx/test_id.txt")
        ids = read_id_text(root / "idx" / "test_id.txt")
        check_disjoint([record.person for record in records], ids, str(root / "idx"))
        records += _read_test(root, set(ids), given)
    check_found(root, records, splits, _LAYOUT)
    return Records.build(root, records)


def _read_train(root: Path) -> list[Record]:
    records: list[Record] = []
    labels: dict[str, tuple[int, int]] = {}
    for modality, folder in _FOLDERS.items():
        file = root / "idx" / f"train_{folder}.txt"
        check_inside(root, f"idx/{file.name}")
        for path, label in read_labelled_paths(file):
            match = _TRAIN.fullmatch(path)
            camera = _CAMERA.match(match[3]) if match else None
            if match is None or camera is None or match[1] != folder or not is_image_name(match[3]):
                raise FaultError(
                    f"images in {file} must be '{folder}/<person>/<person>_c<camera>_*.jpg', got {path!r}",
                    where=[path],
                    what_to_do="copy the file again from the data set as published",
                )
            labels[path] = (int(match[2]), label)
            records.append(
                Record(path=path, person=int(match[2]), camera=int(camera[1]), modality=modality, split="train")
            )
    check_one_to_one(labels, "LLCM's train lists")
    return records


def _read_test(root: Path, ids: set[int], given: list[str] | None) -> list[Record]:
    records = []
    if given is None:
        listed = list_images(root, ("test_vis", "test_nir"))
    else:
        listed = [path for path in given if path.startswith("test_")]
    for path in listed:
        match = _TEST.fullmatch(path)
        if match is None or not is_image_name(match[2]):
            raise _outside(path)
        person = int(match[1])
        if person in ids:
            modality = Modality.INFRARED if path.startswith("test_nir") else Modality.VISIBLE
            camera = int(path.split("/")[1].removeprefix("cam"))
            records.append(Record(path=path, person=person, camera=camera, modality=modality, split="test"))
    return records


def _outside(path: str) -> FaultError:
    return FaultError(
        f"images of LLCM lie at {_LAYOUT} (near-infrared has no camera 3), but there is {path!r}",
        where=[path],
        what_to_do="move the image away, or use --dataset folder for data of your own",
    )
