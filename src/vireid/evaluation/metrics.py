"""Rank-k, mAP and mINP of a trial under each protocol's rule, from its scores or from its features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from vireid.evaluation.chunks import MEMORY, check_memory
from vireid.evaluation.measure import measure
from vireid.evaluation.protocol import Distance
from vireid.evaluation.real_numbers import read_numbers, require_finite
from vireid.evaluation.rules import Labels, Rule, read_labels
from vireid.evaluation.similarity import Similarity, prepare
from vireid.evaluation.trial_gallery import by_identity
from vireid.types import Score, VireidError

__all__ = ["score", "score_features"]


def score(
    scores_qg: Float[np.ndarray, "q g"] | Float[torch.Tensor, "q g"],
    *,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    rule: Rule | str,
    memory: int = MEMORY,
) -> Score:
    """Rank-1 to Rank-20, mAP and mINP of one trial.

    With ``r_1 < ... < r_M`` the ranks of a query's M true matches among the gallery images that it may see,
    ``AP = 1/M sum_j j / r_j`` and ``INP = M / r_M``. CMC entry k - 1 is the share of queries whose first true match is
    among the first k images (``regdb``, ``folder``) or the first k distinct identities, each standing where it first
    appears (``sysu``, ``llcm``, ``llcm-full``). Queries with no true match left are dropped from every average.

    What a query may not see: ``sysu`` - a query of camera 3 sees no image of camera 2, whatever its identity (they
    look at the same place); ``llcm`` and ``folder`` - no image of its own identity from its own camera; ``regdb`` and
    ``llcm-full`` - nothing is hidden.

    Images with equal scores keep the gallery's order, so a result never depends on how a sort breaks ties, nor on
    ``memory`` or the device.

    Args:
        scores_qg: similarity, higher is more similar; a NumPy array or a tensor on any device, of any float type.
        query_ids: identity of each query, 0 or higher.
        gallery_ids: identity of each gallery image. Under ``regdb`` and ``folder`` a negative identity is an unknown
            person, who matches nobody.
        query_cameras: camera of each query.
        gallery_cameras: camera of each gallery image.
        rule: ``sysu``, ``regdb``, ``llcm``, ``llcm-full`` or ``folder``.
        memory: bytes of work space beside the scores, at least 1 MiB. It is on the device of the scores.

    Raises:
        VireidError: scores that are no real numbers, NaN among them, no query, an empty gallery, labels of another
            length, a negative identity where it has no meaning, an unknown rule, too little memory, or no query with a
            true match left.

    Reference: Wu et al., "RGB-Infrared Cross-Modality Person Re-Identification", ICCV 2017 (SYSU-MM01 rule);
        Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2022 (mINP).

    >>> result = score(
    ...     np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.1]]), query_ids=[7, 7], gallery_ids=[4, 7, 7],
    ...     query_cameras=[3, 6], gallery_cameras=[1, 2, 4], rule="sysu")
    >>> float(result.cmc[0]), float(result.cmc[1]), result.map, result.minp
    (0.5, 1.0, 0.6666..., 0.5833...)
    """
    if not isinstance(scores_qg, torch.Tensor):
        scores_qg = read_numbers(scores_qg, "scores")
    if scores_qg.ndim != 2:
        raise VireidError(f"scores must be queries x gallery, got an array of shape {tuple(scores_qg.shape)}")
    queries, gallery = scores_qg.shape
    labels = read_labels(
        queries,
        gallery,
        query_ids=query_ids,
        gallery_ids=gallery_ids,
        query_cameras=query_cameras,
        gallery_cameras=gallery_cameras,
        rule=rule,
    )
    check_memory(memory)
    [result] = measure(
        lambda rows, columns: _tensor(scores_qg[rows, columns]), [labels], gallery=gallery, memory=memory, cell_bytes=8
    )
    return result


def score_features(
    query_features: Float[np.ndarray, "q d"] | Float[torch.Tensor, "q d"],
    gallery_features: Float[np.ndarray, "g d"] | Float[torch.Tensor, "g d"],
    *,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    rule: Rule | str,
    distance: Distance = "cosine",
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Score:
    """`score` of features, for galleries whose table of scores would not fit: a million images and more.

    Blocks of scores are made, used and forgotten; for each true match the images before it are counted. On the
    processor these are found in small sorted pieces. Where ``memory`` holds less than 16 rows of scores, the gallery is
    cut too and each score is made twice.

    Given the same scores, ranks are those of `score` to the bit and mAP and mINP equal to 1e-12, whatever the memory.
    The scores themselves are sums in single precision, whose last digit may depend on the device, the library and the
    size of a block, so that two images whose scores differ by less may change places.

    Args:
        query_features, gallery_features: any length; NumPy arrays, or tensors on any device.
        query_ids, gallery_ids, query_cameras, gallery_cameras, rule: as in `score`.
        distance: ``cosine`` or ``euclidean``, as in `vireid.evaluation.evaluate`.
        memory: bytes of work space, at least 1 MiB, beside the features, one copy of them and about 100 bytes for
            each gallery image. One query at a time needs about 10 bytes for each identity of the gallery and 160 for
            each image of its own identity.
        device: where to compute; the copy of the features is held there.

    Raises:
        VireidError: features of different width or that are no numbers, NaN or infinity among them, rows that are too
            long for a Euclidean distance in single precision, or what `score` refuses.

    >>> one = np.eye(3, dtype=np.float32)
    >>> score_features(one, one, query_ids=[1, 2, 3], gallery_ids=[1, 2, 3], query_cameras=[1, 1, 1],
    ...     gallery_cameras=[2, 2, 2], rule="folder").map
    1.0
    """
    query_features = read_numbers(query_features, "query features")
    gallery_features = read_numbers(gallery_features, "gallery features")
    if query_features.ndim != 2 or gallery_features.ndim != 2 or query_features.shape[1] != gallery_features.shape[1]:
        raise VireidError(
            "queries and gallery must be rows of equal width, from one network, got features of shape "
            f"{query_features.shape} and {gallery_features.shape}"
        )
    labels = read_labels(
        len(query_features),
        len(gallery_features),
        query_ids=query_ids,
        gallery_ids=gallery_ids,
        query_cameras=query_cameras,
        gallery_cameras=gallery_cameras,
        rule=rule,
    )
    check_memory(memory)
    for features, what in ((query_features, "query features"), (gallery_features, "gallery features")):
        require_finite(features, what, squared=distance == "euclidean")
    order, columns = by_identity(labels.gallery_ids)
    compare = Similarity(
        prepare(query_features, distance), prepare(gallery_features, distance, order), distance, device
    )
    [result] = measure(
        compare,
        [replace(labels, columns=columns)],
        gallery=len(gallery_features),
        memory=memory,
        name=lambda row, column: f"row {row}, column {order[column]}",
    )
    return result


def _tensor(chunk: np.ndarray | torch.Tensor) -> torch.Tensor:
    if isinstance(chunk, torch.Tensor):
        chunk = chunk.detach()
        halves = (torch.float16, torch.bfloat16)
        kept = chunk.dtype in (torch.float32, torch.float64)
        return (chunk if kept else chunk.float() if chunk.dtype in halves else chunk.double()).contiguous()
    single = chunk.dtype in (np.float16, np.float32)
    # A copy, since tensors know neither read-only arrays nor foreign byte orders.
    return torch.from_numpy(np.array(chunk, dtype=np.float32 if single else np.float64, order="C"))
