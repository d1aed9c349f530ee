"""Put MSCMNet's parts (QFE: four streams; MIMB: mining between scales) on another backbone of timm.

Any timm model whose stem and four stages run in order will do. Printed is what MIMB costs on it, the losses of an
epoch of training on a small made world, and what an embedding is:

    python examples/add_a_backbone.py --backbone regnetx_002
    python examples/add_a_backbone.py --backbone convnext_tiny --weights imagenet --height 384 --width 192 --heads 32
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from vireid.data import read
from vireid.data.sampler import IdentitySampler
from vireid.models import QUADRUPLE_STREAMS, Network, build_network
from vireid.models.cost import measure_cost
from vireid.retrieval import embed_records
from vireid.synthetic import write_world
from vireid.training import StepReport, fit, make_criterion
from vireid.transforms import make_views
from vireid.types import Modality


def make_network(options: argparse.Namespace, *, identities: int, mimb: bool) -> Network:
    return build_network(
        identities=identities,
        image_size=(options.height, options.width),
        streams=QUADRUPLE_STREAMS,
        backbone=options.backbone,
        weights=options.weights,
        last_stride=None,  # 1 where the last stage's stride can be taken out, as in a ResNet
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=mimb,
        mimb_tokens=64,
        mimb_heads=options.heads,  # they divide the positions of the third stage's grid: 6 x 3 at 96 x 48
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder in the layout of SYSU-MM01; a made world by default")
    parser.add_argument("--backbone", default="convnext_atto")
    parser.add_argument("--weights", default="none", help="none, imagenet, or a file")
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--heads", type=int, default=6)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "world"
        if options.root is None:
            write_world(root, layout="sysu", persons=12, images_per_camera=1, height=96, width=48, seed=0, workers=1)
        train = read("sysu", root, splits=("train",))
        identities = len(IdentitySampler(train, identities=4, images=2, seed=0).persons)
        for mimb in (False, True):
            network = make_network(options, identities=identities, mimb=mimb).eval()
            cost = measure_cost(network, repeats=3)
            print(
                f"{options.backbone} {'with' if mimb else 'without'} MIMB: {cost.embedding_parameters:,} parameters "
                f"and {cost.flops[Modality.INFRARED]:,} operations for an embedding of {network.embedding_dimension}"
            )
        reports: list[StepReport] = []
        fit(
            network,
            train,
            out=Path(scratch) / "run",
            views=make_views(padding=4, erasing=0.2),
            criterion=make_criterion(streams=QUADRUPLE_STREAMS),
            epochs=1,
            identities=4,
            images=2,
            learning_rate=0.003,
            head_learning_rate=0.03,
            on_step=reports.append,
        )
        for name, term in reports[0].terms.items():
            print(f"{name}: {term:.3f} in the first step, {reports[-1].terms[name]:.3f} in the last of {len(reports)}")
        infrared = train.rows(modality=Modality.INFRARED)[:8]
        vectors = embed_records(network, train, infrared).features
        print(f"embedded: {vectors.shape[0]} infrared images, {vectors.shape[1]} numbers each")


if __name__ == "__main__":
    main()
