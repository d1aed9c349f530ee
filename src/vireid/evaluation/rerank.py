"""k-reciprocal re-ranking: two images are alike when they have the same neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64
from scipy import sparse

from vireid.evaluation.order import descending_keys
from vireid.evaluation.real_numbers import require_finite
from vireid.evaluation.similarity import squared_distance
from vireid.types import VireidError

__all__ = ["K1", "K2", "WEIGHT", "k_reciprocal"]

K1 = 20
K2 = 6
WEIGHT = 0.3


def k_reciprocal(
    query_features: Float[np.ndarray, "q d"],
    gallery_features: Float[np.ndarray, "g d"],
    *,
    k1: int = K1,
    k2: int = K2,
    weight: float = WEIGHT,
    chunk: int = 512,
) -> Float32[np.ndarray, "q g"]:
    """Scores after k-reciprocal re-ranking, ``-((1 - weight) d_J + weight d)``, higher for more alike.

    Over queries and gallery together: ``R(p)`` holds the k1 nearest images of p that also have p among their k1
    nearest, widened by the ``R(q)`` at k1 / 2 of each member q that shares more than two thirds with it. With
    ``V_p(i) = exp(-d(p, i))`` for i in R(p), else 0, normalised to sum 1 and averaged over the k2 nearest images of p,
    ``d_J(p, i) = 1 - sum min(V_p, V_i) / sum max(V_p, V_i)``. d is the squared Euclidean distance divided by p's
    largest. Images of equal distance keep their order, queries before gallery.

    The pairwise matrix of all images is never held, only ``chunk`` rows of it; only the answer is q x g.

    Args:
        query_features: as they are to be compared, so L2-normalised for cosine.
        gallery_features: likewise.
        k1: neighbours of an image, itself not counted; cut to what there is.
        k2: images over which V is averaged, the image itself included; cut to what there is.
        weight: lambda of the paper, share of the original distance, in [0, 1].
        chunk: rows of the pairwise matrix at once.

    Raises:
        VireidError: no query or gallery, features of different width, NaN or infinity among them, rows that are too
            long to be squared in single precision, or a parameter out of range.

    Reference: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, section 3.

    Deviation: where the paper is silent or differs, as the authors' released code, with which published numbers were
    made: d is squared and divided by the largest of its row, V has sum 1, k1 / 2 is rounded to even, and a member's
    set joins when more than two thirds are shared (the paper: at least).
    """
    queries, gallery = len(query_features), len(gallery_features)
    if not queries or not gallery or query_features.shape[1] != gallery_features.shape[1]:
        raise VireidError(
            "re-ranking needs at least one query and one gallery image with features of equal width, got "
            f"{query_features.shape} and {gallery_features.shape}"
        )
    if k1 < 1 or k2 < 1 or chunk < 1 or not 0 <= weight <= 1:
        raise VireidError(
            "re-ranking needs k1, k2 and chunk of 1 or more and a weight in [0, 1], got "
            f"k1={k1}, k2={k2}, chunk={chunk}, weight={weight}"
        )
    for side, what in ((query_features, "query features"), (gallery_features, "gallery features")):
        require_finite(side, what, squared=True)
    features = np.concatenate([query_features, gallery_features]).astype(np.float32, copy=False)
    neighbours = _Neighbours.of(features, count=max(k1, k2 - 1), chunk=chunk)
    encoding = _expand(_encode(features, neighbours, k1), neighbours, k2)
    gallery_by_image = encoding[queries:].tocsc()
    scores = np.empty((queries, gallery), dtype=np.float32)
    for start in range(0, queries, chunk):
        rows = slice(start, min(start + chunk, queries))
        distances = squared_distance(features[rows], features[queries:]) / neighbours.largest[rows, None]
        jaccard = _jaccard(encoding[rows], gallery_by_image, gallery)
        scores[rows] = -((1 - weight) * jaccard + weight * distances)
    return scores


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Nearest images of each image, itself first, and the largest distance of its row."""

    nearest: Int64[np.ndarray, "n k"]
    largest: Float32[np.ndarray, " n"]

    @classmethod
    def of(cls, features: Float32[np.ndarray, "n d"], *, count: int, chunk: int) -> _Neighbours:
        total = len(features)
        count = min(count + 1, total)
        nearest = np.empty((total, count), dtype=np.int64)
        largest = np.empty(total, dtype=np.float32)
        for start in range(0, total, chunk):
            stop = min(start + chunk, total)
            distances = squared_distance(features[start:stop], features)
            largest[start:stop] = distances.max(axis=1)
            # A twin earlier in the order must not come before the image itself.
            distances[np.arange(stop - start), np.arange(start, stop)] = -1
            keys = descending_keys(-distances)
            best = np.argpartition(keys, total - count, axis=1)[:, total - count :]
            order = np.argsort(np.take_along_axis(keys, best, axis=1), axis=1)[:, ::-1]
            nearest[start:stop] = np.take_along_axis(best, order, axis=1)
        return cls(nearest, np.where(largest > 0, largest, np.float32(1)))

    def reciprocal(self, count: int) -> list[Int64[np.ndarray, " k"]]:
        """For each image, which of its nearest ``count`` have it among theirs; itself is the first."""
        nearest = self.nearest[:, : count + 1]
        mutual = np.stack(
            [(nearest[column] == np.arange(len(nearest))[:, None]).any(axis=1) for column in nearest.T], 1
        )
        return [row[kept] for row, kept in zip(nearest, mutual)]


def _encode(features: Float32[np.ndarray, "n d"], neighbours: _Neighbours, k1: int) -> sparse.csr_array:
    """V of each image, a row each."""
    wide = neighbours.reciprocal(k1)
    narrow = [set(members.tolist()) for members in neighbours.reciprocal(round(k1 / 2))]
    sets = []
    for members in wide:
        core = set(members.tolist())
        widened = set(core)
        for member in core:
            if len(core & narrow[member]) > 2 / 3 * len(narrow[member]):
                widened |= narrow[member]
        sets.append(np.array(sorted(widened)))
    lengths = np.array([len(members) for members in sets])
    values = []
    for image, members in enumerate(sets):
        distances = squared_distance(features[image : image + 1], features[members])[0]
        closeness = np.exp(-distances / neighbours.largest[image])
        values.append(closeness / closeness.sum())
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((np.concatenate(values), np.concatenate(sets), starts), shape=(len(sets), len(sets)))


def _expand(encoding: sparse.csr_array, neighbours: _Neighbours, k2: int) -> sparse.csr_array:
    """Mean of V over the k2 nearest images."""
    nearest = neighbours.nearest[:, :k2]
    total, count = nearest.shape
    starts = np.arange(0, total * count + 1, count)
    mean = sparse.csr_array(
        (np.full(total * count, 1 / count, dtype=np.float32), nearest.ravel(), starts), shape=(total, total)
    )
    return sparse.csr_array(mean @ encoding)


def _jaccard(query: sparse.csr_array, gallery_by_image: sparse.csc_array, gallery: int) -> Float32[np.ndarray, "q g"]:
    """``1 - sum min / sum max`` of rows that sum to 1, so that ``sum max = 2 - sum min``."""
    starts, rows, values = _parts(gallery_by_image)
    own_starts, own_columns, own_values = _parts(query)
    distances = np.empty((len(own_starts) - 1, gallery), dtype=np.float32)
    for number in range(len(distances)):
        own = slice(own_starts[number], own_starts[number + 1])
        columns = own_columns[own]
        lengths = starts[columns + 1] - starts[columns]
        # Places in the gallery's arrays of every image that shares a neighbour, neighbour after neighbour.
        offsets = np.repeat(starts[columns] - np.cumsum(lengths) + lengths, lengths)
        places = offsets + np.arange(lengths.sum())
        shared = np.minimum(np.repeat(own_values[own], lengths), values[places])
        common = np.bincount(rows[places], weights=shared, minlength=gallery)
        distances[number] = 1 - common / (2 - common)
    return distances


def _parts(matrix: sparse.csr_array | sparse.csc_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.asarray(matrix.indptr), np.asarray(matrix.indices), np.asarray(matrix.data)
