"""The one thread that uses the network: it takes the images of several requests at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from vireid.types import Modality, VireidError

__all__ = ["Embeds", "FullError", "NetworkThread"]


@runtime_checkable
class Embeds(Protocol):
    """What makes features of images; `vireid.retrieval.Embedder` does."""

    @property
    def model(self) -> str:
        """Fingerprint of the model."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a feature."""
        ...

    def prepare(self, image: bytes, modality: Modality | Literal["auto"], name: str) -> Any:
        """Decode and resize, in any thread; ``.modality`` of the result is the one given or found."""
        ...

    def embed_prepared(
        self, prepared: Iterable[tuple[int, Any]]
    ) -> Iterator[tuple[list[int], Float32[np.ndarray, "b d"]]]:
        """Vectors, batch by batch, with what each image was tagged with."""
        ...


class FullError(VireidError):
    """Too much is waiting for the network."""


@dataclass(eq=False, slots=True)
class _Job:
    images: Sequence[Any]
    future: Future[Any] = field(default_factory=Future)


class NetworkThread:
    """Embeds the images of concurrent requests together, in the order in which they came.

    After the first image it waits ``gather`` seconds for those of others, then takes up to ``batch`` images.

    Args:
        embedder: makes the features.
        batch: images at a time; a request with more of them is taken alone.
        gather: seconds.
        max_waiting: images that may wait.
        observe: called with the number of images of each batch.
    """

    def __init__(
        self,
        embedder: Embeds,
        *,
        batch: int = 32,
        gather: float = 0.003,
        max_waiting: int = 256,
        observe: Callable[[int], None] = lambda images: None,
    ) -> None:
        self._embedder = embedder
        self._batch, self._gather, self._max_waiting = batch, gather, max_waiting
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="vireid-network", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Images that wait."""
        with self._changed:
            return self._images_waiting()

    def embed(self, images: Sequence[Any]) -> Future[Float32[np.ndarray, "n d"]]:
        """Features of images, in a while.

        Args:
            images: at least one, as the embedder's ``prepare`` made them.

        Raises:
            FullError: too many images wait already, or the service is being stopped.
        """
        job = _Job(images)
        with self._changed:
            if self._closed:
                raise FullError("the service is being stopped; try again in a moment")
            waiting = self._images_waiting()
            if waiting and waiting + len(images) > self._max_waiting:
                raise FullError(
                    f"at most {self._max_waiting} images may wait for the network, and {waiting} do; try again in a "
                    "moment"
                )
            self._jobs.append(job)
            self._changed.notify_all()
        return job.future

    def close(self) -> None:
        """Finish what waits, then end the thread; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while jobs := self._next():
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if not running:
                continue
            try:
                features = self._embed([image for job in running for image in job.images])
            except Exception as error:
                for job in running:
                    job.future.set_exception(error)
                continue
            start = 0
            for job in running:
                job.future.set_result(features[start : start + len(job.images)])
                start += len(job.images)

    def _next(self) -> list[_Job]:
        """The requests of the next batch; none when all is done and the thread shall end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            until = time.monotonic() + self._gather
            while self._images_waiting() < self._batch and not self._closed:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            taken: list[_Job] = []
            images = 0
            while self._jobs and (not taken or images + len(self._jobs[0].images) <= self._batch):
                taken.append(self._jobs.popleft())
                images += len(taken[-1].images)
            return taken

    def _images_waiting(self) -> int:
        return sum(len(job.images) for job in self._jobs)

    def _embed(self, images: list[Any]) -> Float32[np.ndarray, "n d"]:
        self._observe(len(images))
        features = np.empty((len(images), self._embedder.dimension), dtype=np.float32)
        for places, vectors in self._embedder.embed_prepared(enumerate(images)):
            features[places] = vectors
        if not np.isfinite(features).all():
            raise VireidError(
                f"model {self._embedder.model} makes features that are not finite; its weights are damaged"
            )
        return features
