"""The protocols' scoring as one slow loop in plain Python, transcribed from their text: the oracle of the fast one."""

from collections.abc import Sequence


def slow_score(
    scores: Sequence[Sequence[float]],
    query_ids: Sequence[int],
    gallery_ids: Sequence[int],
    query_cameras: Sequence[int],
    gallery_cameras: Sequence[int],
    rule: str,
) -> tuple[list[float], float, float, int]:
    """CMC (20), mAP, mINP and the number of valid queries; NaN averages where no query is valid."""
    hits, precisions, penalties = [], [], []
    for row, person, camera in zip(scores, query_ids, query_cameras):
        order = sorted(range(len(gallery_ids)), key=lambda column: (-row[column], column))
        seen = []
        for column in order:
            same_person, same_camera = gallery_ids[column] == person, gallery_cameras[column] == camera
            if rule == "sysu" and camera == 3 and gallery_cameras[column] == 2:
                continue
            if rule in ("llcm", "folder") and same_person and same_camera:
                continue
            seen.append(gallery_ids[column])
        if person not in seen:
            continue
        listed = list(dict.fromkeys(seen)) if rule in ("sysu", "llcm", "llcm-full") else seen
        first = listed.index(person) + 1
        hits.append([1.0 if first <= rank else 0.0 for rank in range(1, 21)])
        ranks = [rank for rank, found in enumerate(seen, start=1) if found == person]
        precisions.append(sum(number / rank for number, rank in enumerate(ranks, start=1)) / len(ranks))
        penalties.append(len(ranks) / ranks[-1])
    count = len(hits)
    if not count:
        return [], float("nan"), float("nan"), 0
    return [sum(column) / count for column in zip(*hits)], sum(precisions) / count, sum(penalties) / count, count
