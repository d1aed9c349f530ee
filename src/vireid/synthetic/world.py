"""Write a made world to disk, whole or not at all, with several processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vireid.synthetic.camera import LAYOUTS
from vireid.synthetic.folder import plan_folder
from vireid.synthetic.llcm import plan_llcm
from vireid.synthetic.marker import mark_world
from vireid.synthetic.plan import Plan, Shot
from vireid.synthetic.regdb import plan_regdb
from vireid.synthetic.render import check_size, render
from vireid.synthetic.sysu import plan_sysu
from vireid.types import VireidError

_CHUNK = 32
_PLANS: dict[str, Callable[[int, int, int, float], Plan]] = {
    "sysu": plan_sysu,
    "regdb": plan_regdb,
    "llcm": plan_llcm,
    "folder": plan_folder,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSummary:
    """What was written.

    Attributes:
        root: folder of the data set.
        layout: whose layout it has.
        persons: how many people it shows.
        cameras: how many cameras took pictures; a camera of two modalities counts twice.
        images: how many pictures there are.
        part_maps: whether each has a part map.
        seconds: that it took.
    """

    root: Path
    layout: str
    persons: int
    cameras: int
    images: int
    part_maps: bool
    seconds: float

    def __str__(self) -> str:
        maps = " with part maps" if self.part_maps else ""
        return (
            f"{self.images:,} images{maps} of {self.persons:,} people by {self.cameras} cameras in the layout "
            f"{self.layout}, {self.images / max(self.seconds, 1e-9):.0f} a second"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    root: Path
    seed: int
    height: int
    width: int
    part_maps: bool
    shots: Sequence[Shot]


def write_world(
    out: Path,
    *,
    layout: str,
    persons: int,
    images_per_camera: int,
    height: int,
    width: int,
    seed: int,
    part_maps: bool = False,
    workers: int | None = None,
    test_fraction: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WorldSummary:
    """Make people, cameras and pictures of them, and write them in the layout of a data set with its split files.

    A picture is a function of the seed, the person, the camera, its number and its size: more people, more
    pictures, or another number of workers change no byte of it. Nothing appears under `out` until all is written;
    a process that is killed outright leaves a hidden folder ``.<name>.unfinished-*`` beside it, free to delete.
    A file ``made_by_vireid.json`` at the root says what the folder is, so that no result on it passes for one on the
    data set whose layout it has.

    Args:
        out: folder to make; it may exist when it is empty.
        layout: whose layout to write, one of `LAYOUTS`.
        persons: how many people, 4 to 9999.
        images_per_camera: pictures of a person by each camera that meets them, 1 to 9999.
        height: of a picture in pixels, 32 to 2048.
        width: of a picture in pixels, 16 to 2048.
        seed: of the world, at least 0.
        part_maps: also write ``parts/<path of the picture>.png``: 8-bit gray, of the picture's size, with a number of
            `PART_NAMES` a pixel: 0 background, 1 head, 2 upper, 3 lower, 4 arms, 5 feet, 6 bag.
        workers: processes; as many as the machine has cores when None. With more than one, call this under
            ``if __name__ == "__main__":`` in a script.
        test_fraction: share of the people for the test, within (0, 1): a half for RegDB, a third else, when None.
        progress: called with pictures done and pictures in all, after each batch.

    Raises:
        VireidError: an argument out of range, a folder that is not empty, a full disk, a process that was killed.
    """
    started = time.monotonic()
    _check(layout, persons, images_per_camera, height, width, seed, workers, test_fraction)
    share = test_fraction if test_fraction is not None else (0.5 if layout == "regdb" else 1 / 3)
    plan = _PLANS[layout](seed, persons, images_per_camera, share)
    with _whole_folder(Path(out)) as draft:
        jobs = [
            _Job(
                root=draft,
                seed=seed,
                height=height,
                width=width,
                part_maps=part_maps,
                shots=plan.shots[start : start + _CHUNK],
            )
            for start in range(0, len(plan.shots), _CHUNK)
        ]
        done = 0
        count = min(workers or os.cpu_count() or 1, len(jobs))
        # Closed before the folder goes, so that no process goes on writing into it.
        with closing(_work_here(jobs) if count == 1 else _work_apart(jobs, count)) as batches:
            for written in batches:
                done += written
                if progress:
                    progress(done, len(plan.shots))
        plan.write_splits(draft)
        mark_world(draft, layout=layout, seed=seed)
    cameras = {(shot.camera.number, shot.camera.modality) for shot in plan.shots}
    return WorldSummary(
        root=Path(out),
        layout=layout,
        persons=persons,
        cameras=len(cameras),
        images=len(plan.shots),
        part_maps=part_maps,
        seconds=time.monotonic() - started,
    )


def _check(
    layout: str,
    persons: int,
    images_per_camera: int,
    height: int,
    width: int,
    seed: int,
    workers: int | None,
    test_fraction: float | None,
) -> None:
    if layout not in LAYOUTS:
        raise VireidError(f"the layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    check_size(height, width)
    for name, value, low, high in (
        ("persons", persons, 4, 9999),
        ("images_per_camera", images_per_camera, 1, 9999),
        ("seed", seed, 0, 2**63 - 1),
        ("workers", 1 if workers is None else workers, 1, 1024),
    ):
        if not low <= value <= high:
            raise VireidError(f"{name} must be from {low} to {high}, got {value}")
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise VireidError(f"test_fraction must lie between 0 and 1, got {test_fraction}")


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """Hand out a hidden folder beside `out` and rename it when all went well."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise VireidError(f"{out} must be a new or an empty folder, but there is something in it; choose another")
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.unfinished-", dir=out.parent))
    except OSError as error:
        raise VireidError(f"cannot make the folder {out}: {error.strerror or error}") from error
    try:
        yield draft
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o777 & ~mask)
        draft.replace(out)
    except OSError as error:
        raise VireidError(
            f"cannot write the made world to {out}: {error.strerror or error}; nothing was left half-written, "
            "make room or choose another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _work_here(jobs: Sequence[_Job]) -> Generator[int, None, None]:
    yield from map(_write, jobs)


def _work_apart(jobs: Sequence[_Job], count: int) -> Generator[int, None, None]:
    # Spawned, not forked: the caller may have threads (torch), which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker) as pool:
        pending = {pool.submit(_write, job) for job in jobs}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise VireidError(
                "a process that draws pictures was killed, perhaps for want of memory; try fewer workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # One core each; and the parent alone answers an interrupt from the keyboard.
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write(job: _Job) -> int:
    for shot in job.shots:
        picture = render(
            job.seed, person=shot.person, camera=shot.camera, image=shot.image, height=job.height, width=job.width
        )
        _save(job.root / shot.path, picture.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, shot.camera.quality])
        if job.part_maps:
            _save((job.root / "parts" / shot.path).with_suffix(".png"), picture.parts, [])
    return len(job.shots)


def _save(file: Path, pixels: np.ndarray, options: list[int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(file.suffix, pixels, options)
    file.write_bytes(data.tobytes())
