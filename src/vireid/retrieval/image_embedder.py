"""Images in any form to vectors, by one network that is loaded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from vireid.data import load_image
from vireid.data.dataset import resize_image
from vireid.data.images import decode_image
from vireid.data.load_ahead import load_ahead
from vireid.exports import load_model, model_fingerprint
from vireid.models import EmbeddingModel, Feature
from vireid.retrieval.embedder import EmbeddingPrecision, autocast_type, embed_pixels, reading_threads
from vireid.retrieval.embedding_batches import usual_batch_size
from vireid.retrieval.listing import records_of_images
from vireid.retrieval.modality import find_modality
from vireid.types import Modality, VireidError

__all__ = ["AnyModality", "Embedder", "Image", "Prepared"]

Image = Path | bytes | np.ndarray
"""An image: its file, what its file holds, or its pixels (h w 3, 8-bit RGB)."""

AnyModality = Modality | Literal["auto"]
"""A modality, or ``auto``: find it from the pixels, see `vireid.retrieval.find_modality`."""

_Tag = TypeVar("_Tag")


class Prepared(NamedTuple):
    """An image ready for the network.

    Attributes:
        pixels: in the network's size.
        modality: whose stems it takes.
    """

    pixels: UInt8[Tensor, "3 h w"]
    modality: Modality


class Embedder:
    """Embeds images of either modality; made of a run by `from_run`.

    The vectors are those of `vireid.retrieval.embed_records`. Several threads may use one embedder.

    Args:
        network: in evaluation mode; it is moved to ``device`` and stays there.
        model: fingerprint of the weights, which galleries compare.
        device: where to compute.
        feature: ``bn`` (the papers' retrieval feature) or ``pool``.
        precision: what the network computes in, see `vireid.retrieval.autocast_type`.
        batch_size: images at a time; by default what suits the device and the size of an image.

    Raises:
        VireidError: a batch size below 1, or a precision that the device has not.
    """

    def __init__(
        self,
        network: EmbeddingModel,
        *,
        model: str,
        device: torch.device | str = "cpu",
        feature: Feature = "bn",
        precision: EmbeddingPrecision = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.device = torch.device(device)
        autocast_type(precision, self.device)
        if batch_size is not None and batch_size < 1:
            raise VireidError(f"embedding needs at least 1 image at a time, got batch_size {batch_size}")
        self._network = network
        self._feature: Feature = feature
        self._precision: EmbeddingPrecision = precision
        self._batch_size = batch_size or usual_batch_size(self.device, network.image_size)

    @classmethod
    def from_run(
        cls,
        run: Path,
        *,
        device: torch.device | str = "cpu",
        feature: Feature = "bn",
        precision: EmbeddingPrecision = "auto",
        batch_size: int | None = None,
    ) -> Embedder:
        """The embedder of a run directory, a weights file or an export.

        Raises:
            VireidError: see `vireid.exports.load_model` and the constructor.
        """
        network, _ = load_model(run)
        model = model_fingerprint(run, feature)
        return cls(network, model=model, device=device, feature=feature, precision=precision, batch_size=batch_size)

    @property
    def dimension(self) -> int:
        """Numbers in a feature."""
        return self._network.embedding_dimension

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels that the network sees."""
        return self._network.image_size

    @property
    def reading_threads(self) -> int:
        """Threads that decode ahead."""
        return reading_threads(self.device)

    def embed(
        self,
        images: Sequence[Image] | Path,
        modality: AnyModality | Sequence[AnyModality] = "auto",
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        on_broken: Callable[[int, VireidError], None] | None = None,
    ) -> tuple[Float32[np.ndarray, "n d"], list[Modality]]:
        """Embed images, and say which modality each was embedded as.

        Args:
            images: paths, contents of files and pixels in any mixture; or a folder, whose images are taken at any
                depth, in the order of `vireid.retrieval.records_of_images`.
            modality: of all, or one for each.
            progress: called with images done and all images after each batch.
            on_broken: called with the number of an image that cannot be read, counted from 0, and the reason; the
                image is left out of the result. Without it the first such image ends the work.

        Returns:
            A row of length 1 for each image, in order, and the modality of each.

        Raises:
            VireidError: an image that cannot be read, by its path or number; not one modality for each image; a
                feature that is not finite.
        """
        if isinstance(images, Path):
            records = records_of_images([images], Modality.VISIBLE)
            images = [records.file(row) for row in range(len(records))]
        modalities = _for_each(modality, len(images))
        features = np.zeros((len(images), self.dimension), dtype=np.float32)
        found: dict[int, Modality] = {}
        done = 0

        def prepared() -> Iterator[tuple[int, Prepared]]:
            nonlocal done
            reader = _Reader(self, images, modalities)
            ahead = load_ahead(reader, range(len(images)), workers=0, threads=self.reading_threads)
            with closing(ahead):
                for number, each in enumerate(ahead):
                    if isinstance(each, VireidError):
                        if on_broken is None:
                            raise each
                        on_broken(number, each)
                        done += 1
                    else:
                        found[number] = each.modality
                        yield number, each

        for numbers, vectors in self.embed_prepared(prepared()):
            features[numbers] = vectors
            done += len(numbers)
            progress(done, len(images))
        kept = sorted(found)
        finite = np.isfinite(features[kept]).all(axis=1)
        if not finite.all():
            first = kept[int(np.flatnonzero(~finite)[0])]
            raise VireidError(
                f"every feature must be finite, but {int((~finite).sum())} of {len(kept)} hold NaN or infinity, the "
                f"first for {name_of(images[first], first)}; the weights of model {self.model} may be damaged"
            )
        return features[kept], [found[number] for number in kept]

    def prepare(self, image: Image, modality: AnyModality, name: str) -> Prepared:
        """Decode and resize one image, in any thread.

        Args:
            name: what to call it in an error.

        Raises:
            VireidError: it cannot be decoded, or is none of the forms of an image.
        """
        pixels = _pixels(image, name)
        if modality == "auto":
            modality = find_modality(pixels)
        height, width = self.image_size
        return Prepared(resize_image(pixels, height=height, width=width), modality)

    def embed_prepared(
        self, prepared: Iterable[tuple[_Tag, Prepared]]
    ) -> Iterator[tuple[list[_Tag], Float32[np.ndarray, "b d"]]]:
        """Vectors of a stream of images, each batch as soon as it is done, with what each image was tagged with.

        A batch holds images of one modality in the order in which they came; what waits for its batch to fill is all
        that memory holds.
        """
        waiting: deque[list[_Tag]] = deque()

        def batches() -> Iterator[tuple[Modality, UInt8[Tensor, "b 3 h w"]]]:
            filling: dict[Modality, list[tuple[_Tag, Tensor]]] = {modality: [] for modality in Modality}
            for tag, (pixels, modality) in prepared:
                filling[modality].append((tag, pixels))
                if len(filling[modality]) == self._batch_size:
                    yield modality, batch_of(filling[modality])
                    filling[modality] = []
            for modality, rest in filling.items():
                if rest:
                    yield modality, batch_of(rest)

        def batch_of(images: list[tuple[_Tag, Tensor]]) -> UInt8[Tensor, "b 3 h w"]:
            waiting.append([tag for tag, _ in images])
            stacked = torch.stack([pixels for _, pixels in images])
            return stacked.pin_memory() if self.device.type == "cuda" else stacked

        vectors = embed_pixels(
            self._network,
            batches(),
            feature=self._feature,
            mirror=False,
            precision=self._precision,
            device=self.device,
        )
        for each in vectors:
            yield waiting.popleft(), each


class _Reader(Dataset[Any]):
    """Item i is image i prepared, or the reason why it cannot be."""

    def __init__(self, embedder: Embedder, images: Sequence[Image], modalities: Sequence[AnyModality]) -> None:
        self._embedder, self._images, self._modalities = embedder, images, modalities

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, number: int) -> Prepared | VireidError:
        image = self._images[number]
        try:
            return self._embedder.prepare(image, self._modalities[number], name_of(image, number))
        except VireidError as error:
            return error


def name_of(image: Image, number: int) -> str:
    """How messages call an image: by its path if it has one, else by its number."""
    return str(image) if isinstance(image, Path) else f"image {number}"


def _for_each(modality: AnyModality | Sequence[AnyModality], count: int) -> list[AnyModality]:
    if isinstance(modality, Modality):
        return [modality] * count
    if isinstance(modality, str):
        if modality != "auto":
            raise VireidError(f"a modality is Modality.VISIBLE, Modality.INFRARED or 'auto', got {modality!r}")
        return ["auto"] * count
    if len(modality) != count:
        raise VireidError(f"give one modality for all images or one for each, got {len(modality)} for {count} images")
    return list(modality)


def _pixels(image: Image, name: str) -> UInt8[np.ndarray, "h w 3"]:
    if isinstance(image, Path):
        return load_image(image)
    if isinstance(image, bytes):
        return decode_image(image, name)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size and image.shape[2:] == (3,):
        return image
    what = f"an array {image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise VireidError(f"an image is a Path, the bytes of a file, or an array (h, w, 3) of 8-bit RGB; {name} is {what}")
