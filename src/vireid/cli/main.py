"""The ``vireid`` command: its subcommands, their help, and errors without a traceback."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg
from tyro.extras import SubcommandApp

import vireid
from vireid.cli.config import (
    DemoConfig,
    DoctorConfig,
    EmbedConfig,
    EvaluateConfig,
    SearchConfig,
    SynthConfig,
    TrainConfig,
)
from vireid.cli.recipes import RECIPES, describe
from vireid.types import VireidError

__all__ = ["main"]

app = SubcommandApp()

if TYPE_CHECKING:
    TrainRecipe = TrainConfig
else:
    TrainRecipe = tyro.extras.subcommand_type_from_defaults(
        {
            name: TrainConfig(root=tyro.MISSING, out=tyro.MISSING, recipe=recipe, name=name)
            for name, recipe in RECIPES.items()
        },
        {name: describe(name) for name in RECIPES},
        sort_subcommands=False,
    )

# Each command imports what it needs when it runs: help and errors do not wait for torch.


@app.command(name="synth")
def _synth(config: Annotated[SynthConfig, arg(name="")]) -> int:
    """Make a day-and-night world of people in the layout of any data set.

    Example: vireid synth world --dataset sysu --persons 100 --images-per-camera 8 --height 128 --width 64
    """
    from vireid.cli.synth import synth

    synth(config)
    return 0


@app.command(name="doctor")
def _doctor(config: Annotated[DoctorConfig, arg(name="")]) -> int:
    """Check a data set on disk: layout, splits, leakage, every image. Exit code 1 when a run would fail or be wrong.

    Example: vireid doctor world --dataset sysu
    """
    from vireid.cli.doctor import doctor

    return doctor(config)


@app.command(name="train")
def _train(config: Annotated[TrainRecipe, arg(name="")]) -> int:
    """Train a recipe; anything in it can be set with a flag.

    Example: vireid train mscmnet-small --root world --out runs/first
    """
    from vireid.cli.train import train

    train(config)
    return 0


@app.command(name="evaluate")
def _evaluate(config: Annotated[EvaluateConfig, arg(name="")]) -> int:
    """Score a run, or features from anywhere, by the exact protocol of a data set.

    Example: vireid evaluate --checkpoint runs/first --dataset sysu --root world --mode indoor --json indoor.json
    """
    from vireid.cli.evaluate import evaluate_command

    evaluate_command(config)
    return 0


@app.command(name="embed")
def _embed(config: Annotated[EmbedConfig, arg(name="")]) -> int:
    """Write the vectors of a data set or of a folder of images.

    Example: vireid embed --checkpoint runs/first --root world --dataset sysu --out test.npz
    """
    from vireid.cli.embed import embed

    embed(config)
    return 0


@app.command(name="search")
def _search(config: Annotated[SearchConfig, arg(name="")]) -> int:
    """Find the same person in the other modality: the nearest gallery images of some queries.

    Example: vireid search --checkpoint runs/first --queries night.jpg --gallery crops/day --top 5 --picture found.png
    """
    from vireid.cli.search import search_command

    search_command(config)
    return 0


@app.command(name="demo")
def _demo(config: Annotated[DemoConfig, arg(name="")]) -> int:
    """Make a world, check it, train on it, measure and search: minutes on two CPU cores, no data set, no GPU.

    Example: vireid demo --out demo
    """
    from vireid.cli.demo import demo

    demo(config)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error that a user can mend is one line on standard error, with ``--debug`` a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        sys.stdout.write(f"vireid {vireid.__version__}\n")
        return 0
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    # Advice of the libraries beneath to whoever programs them; a user of the command line can do nothing with it.
    warnings.filterwarnings("ignore", module=r"(lightning|torch|timm)\b")
    try:
        return app.cli(
            prog="vireid",
            args=arguments or ["--help"],
            config=(tyro.conf.OmitSubcommandPrefixes,),
            description="Find the same person across day and night. Add --debug to see where an error arose.",
        )
    except VireidError as error:
        if debug:
            raise
        sys.stderr.write(f"vireid: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("vireid: interrupted\n")
        return 130
