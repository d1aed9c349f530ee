"""Which papers a network owes its method to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["papers_of"]

_PAPERS = {
    "mscmnet": "MSCMNet: Multi-scale Semantic Correlation Mining for Visible-Infrared Person Re-Identification, "
    "Pattern Recognition 2024 (arXiv:2311.14395)",
    "caj": "Channel Augmented Joint Learning for Visible-Infrared Recognition, ICCV 2021",
    "agw": "Deep Learning for Person Re-identification: A Survey and Outlook, IEEE TPAMI 2021",
    "deen": "Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for Visible-Infrared Person "
    "Re-identification, CVPR 2023",
    "mspac": "Multi-Scale Cascading Network with Compact Feature Learning for RGB-Infrared Person Re-Identification, "
    "ICPR 2020 (arXiv:2012.06843)",
    "cscl": "Cross-Modality Semantic Consistency Learning for Visible-Infrared Person Re-Identification, IEEE TMM 2024 "
    "(doi:10.1109/TMM.2024.3521843)",
}

# The paper's Base is CAJ's views and loss in MSCMNet's settings.
_BY_RECIPE = {name: (name,) for name in _PAPERS} | {"baseline": ("mscmnet", "caj")}


def papers_of(recipe: str, network: Mapping[str, Any]) -> list[str]:
    """Title, venue and year of each paper that a training follows; none where neither recipe nor parts tell.

    Args:
        recipe: as the weights' facts name it; a form of a recipe (``-small``, ``-released``, settings changed) follows
            the same paper.
        network: the keywords of `vireid.models.build_network`, whose switched-on parts have papers of their own.

    >>> len(papers_of("baseline-small, settings changed", {})), papers_of("mine", {})
    (2, [])
    """
    word = re.split(r"[^a-z]", recipe.lower(), maxsplit=1)[0]
    parts = {
        "mscmnet": network.get("mimb"),
        "deen": network.get("aggregation") or network.get("expansion_branches"),
        "mspac": network.get("stripes"),
        "cscl": network.get("parts") or network.get("parsing_attention"),
    }
    names = dict.fromkeys([*_BY_RECIPE.get(word, ()), *(name for name, used in parts.items() if used)])
    return [_PAPERS[name] for name in names]
