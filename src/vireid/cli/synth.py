"""``vireid synth``: a made world in a data set's layout."""

from __future__ import annotations

from vireid.cli.config import SynthConfig
from vireid.cli.console import progress_bar, say
from vireid.synthetic import write_world

__all__ = ["synth"]


def synth(config: SynthConfig) -> None:
    """Draw the world with a progress bar and say what it holds.

    Raises:
        VireidError: see `write_world`.
    """
    with progress_bar("drawing") as progress:
        summary = write_world(
            config.out,
            layout=config.dataset,
            persons=config.persons,
            images_per_camera=config.images_per_camera,
            height=config.height,
            width=config.width,
            seed=config.seed,
            part_maps=config.part_maps,
            test_fraction=config.test_fraction,
            workers=config.workers,
            progress=progress,
        )
    say(f"{config.out}: {summary}")
