"""The ``vireid`` command: its subcommands, their help, and errors without a traceback."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
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
    ImportConfig,
    SearchConfig,
    SweepConfig,
    SynthConfig,
    TableConfig,
    TrainConfig,
)
from vireid.cli.export_config import ExportConfig
from vireid.cli.gallery_config import (
    GalleryCompactConfig,
    GalleryDeleteConfig,
    GalleryExportConfig,
    GalleryInfoConfig,
    IndexConfig,
    ServeConfig,
    TokenConfig,
)
from vireid.cli.recipes import RECIPES, describe
from vireid.cli.report_config import ReportConfig
from vireid.cli.reproduce_config import ReproduceConfig
from vireid.cli.sharing_config import CardConfig, PullConfig, PushConfig
from vireid.cli.termination import TERMINATED, ended_by_termination, kept_after
from vireid.types import VireidError, printable

__all__ = ["main"]

INTERRUPTED = 130

_ROOM = "make room there or choose another place, and start the same command again"
_LEAVE = "choose a place that you may read and write, or give yourself the permission"
WHAT_TO_DO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _LEAVE),
    errno.EMFILE: "let a process open more files (ulimit -n 4096), and start the same command again",
}
"""By what the system says of a file, where nothing nearer to it knew better."""

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

# Each command imports what it needs when it runs: help and errors do not wait for torch. A paragraph of a help text
# stays under 80 columns: the parser prints it as it is.


@app.command(name="synth")
def _synth(config: Annotated[SynthConfig, arg(name="")]) -> int:
    r"""Make a day-and-night world of people in the layout of any data set.

    For example:
      vireid synth world --dataset sysu --persons 100 \
        --images-per-camera 8 --height 128 --width 64
    """
    from vireid.cli.synth import synth

    synth(config)
    return 0


@app.command(name="doctor")
def _doctor(config: Annotated[DoctorConfig, arg(name="")]) -> int:
    """Check a data set on disk: layout, splits, leakage, every image.

    Exit code 1 when a run would fail or be wrong.

    For example:
      vireid doctor world --dataset sysu
    """
    from vireid.cli.doctor import doctor

    return doctor(config)


@app.command(name="train")
def _train(config: Annotated[TrainRecipe, arg(name="")]) -> int:
    """Train a recipe; anything in it can be set with a flag.

    For example:
      vireid train mscmnet-small --root world --out runs/first
    """
    from vireid.cli.train import train

    train(config)
    return 0


@app.command(name="reproduce")
def _reproduce(config: Annotated[ReproduceConfig, arg(name="")]) -> int:
    """Train a run again and say whether the same came out.

    Exit code 0 when every weight is the same, 1 when any differs.

    For example:
      vireid reproduce runs/first
    """
    from vireid.cli.reproduce import reproduce

    return reproduce(config)


@app.command(name="sweep")
def _sweep(config: Annotated[SweepConfig, arg(name="")]) -> int:
    r"""Train and score a named grid, such as the paper's Table IV, into one table.

    For example:
      vireid sweep table4 --root world --out sweeps/table4 --small \
        --epochs 6 --seeds 3 --jobs 2
    """
    from vireid.cli.sweep import sweep

    return sweep(config)


@app.command(name="import")
def _import(config: Annotated[ImportConfig, arg(name="")]) -> int:
    r"""Make a run of a checkpoint that a paper's authors published.

    For example:
      vireid import sysu_agw_best.t --from agw runs/agw-published
    """
    from vireid.cli.import_reference import import_command

    import_command(config)
    return 0


@app.command(name="evaluate")
def _evaluate(config: Annotated[EvaluateConfig, arg(name="")]) -> int:
    r"""Score a run, or anybody's features, by the exact protocol of a data set.

    For example:
      vireid evaluate --checkpoint runs/first --dataset sysu \
        --root world --mode indoor --json indoor.json
    """
    from vireid.cli.evaluate import evaluate_command

    evaluate_command(config)
    return 0


@app.command(name="table")
def _table(config: Annotated[TableConfig, arg(name="")]) -> int:
    r"""Put published numbers and your runs into one table, kept apart by protocol.

    For example:
      vireid table runs/first --dataset sysu --setting all-search \
        --format latex --out table.tex
    """
    from vireid.cli.table import table_command

    table_command(config)
    return 0


@app.command(name="report")
def _report(config: Annotated[ReportConfig, arg(name="")]) -> int:
    r"""Draw everything that can be shown of a run, into one page.

    Earlier RUNs are what the last one is compared with.

    For example:
      vireid report runs/baseline runs/mscmnet --out report
    """
    from vireid.cli.report import report

    report(config)
    return 0


@app.command(name="embed")
def _embed(config: Annotated[EmbedConfig, arg(name="")]) -> int:
    r"""Write the vectors of a data set or of a folder of images.

    For example:
      vireid embed --checkpoint runs/first --root world \
        --dataset sysu --out test.npz
    """
    from vireid.cli.embed import embed

    embed(config)
    return 0


@app.command(name="search")
def _search(config: Annotated[SearchConfig, arg(name="")]) -> int:
    r"""Find the same person in the other modality.

    For example:
      vireid search --checkpoint runs/first --queries night.jpg \
        --gallery gallery --camera yard gate --picture found.png
    """
    from vireid.cli.search import search_command

    search_command(config)
    return 0


@app.command(name="export")
def _export(config: Annotated[ExportConfig, arg(name="")]) -> int:
    r"""Write a run for ONNX Runtime or torch.export, compared with the run.

    For example:
      vireid export runs/first --to onnx --out exports/first
      vireid export runs/first --to onnx --precision int8 \
        --dataset sysu --root world --out exports/first-int8
    """
    from vireid.cli.export import export_command

    export_command(config)
    return 0


@app.command(name="serve")
def _serve(config: Annotated[ServeConfig, arg(name="")]) -> int:
    r"""Serve a gallery over HTTP, with a page to search it.

    For example:
      vireid serve --gallery gallery --checkpoint runs/first \
        --tokens tokens.json --images crops --keep-days 30
    """
    from vireid.cli.serve import serve_command

    serve_command(config)
    return 0


@app.command(name="token")
def _token(config: Annotated[TokenConfig, arg(name="")]) -> int:
    """Make a token for vireid serve; it is printed once.

    For example:
      vireid token anna --role operator --tokens tokens.json
    """
    from vireid.cli.serve import token_command

    token_command(config)
    return 0


@app.command(name="index")
def _index(config: Annotated[IndexConfig, arg(name="")]) -> int:
    r"""Embed a folder of crops into a gallery that stays.

    What the gallery has already is passed over: start a killed one again.

    Exit code 1 when some images could not be read.

    For example:
      vireid index crops --checkpoint runs/first --gallery gallery \
        --levels camera track
    """
    from vireid.cli.index import index

    return index(config)


@app.command(name="gallery")
def _gallery(
    config: Annotated[
        Annotated[GalleryInfoConfig, tyro.conf.subcommand("info", description="What a gallery holds.")]
        | Annotated[GalleryDeleteConfig, tyro.conf.subcommand("delete", description="Delete sightings for good.")]
        | Annotated[GalleryExportConfig, tyro.conf.subcommand("export", description="Write features for other tools.")]
        | Annotated[GalleryCompactConfig, tyro.conf.subcommand("compact", description="Give back deleted room.")],
        arg(name=""),
    ],
) -> int:
    """Look at a gallery, delete from it, export it, compact it.

    For example:
      vireid gallery info gallery
      vireid gallery delete gallery --person 17
    """
    from vireid.cli.gallery import gallery

    gallery(config)
    return 0


@app.command(name="card")
def _card(config: Annotated[CardConfig, arg(name="")]) -> int:
    """Write the card of a run: what it is, how it scored, its limits.

    Your own words in it are kept.

    For example:
      vireid card runs/first --license cc-by-nc-4.0
    """
    from vireid.cli.sharing import card_command

    card_command(config)
    return 0


@app.command(name="push")
def _push(config: Annotated[PushConfig, arg(name="")]) -> int:
    """Share a run on the Hugging Face Hub, privately unless told.

    Weights, settings without paths, results, card and checksums go.

    For example:
      vireid push runs/first anna/day-and-night --dry-run
    """
    from vireid.cli.sharing import push_command

    push_command(config)
    return 0


@app.command(name="pull")
def _pull(config: Annotated[PullConfig, arg(name="")]) -> int:
    """Make a run of a model on the Hugging Face Hub, its hashes checked.

    For example:
      vireid pull anna/day-and-night runs/theirs
    """
    from vireid.cli.sharing import pull_command

    pull_command(config)
    return 0


@app.command(name="demo")
def _demo(config: Annotated[DemoConfig, arg(name="")]) -> int:
    """Make a world, check it, train on it, measure and search, in minutes.

    Two CPU cores are enough; no data set, no GPU.

    For example:
      vireid demo --out demo
    """
    from vireid.cli.demo import demo

    demo(config)
    return 0


DESCRIPTION = """\
Find the same person across day and night.

With --debug an error shows where it arose; --version prints the version.
 Flags and names are completed by the shell after, for bash (or zsh):
   vireid --tyro-print-completion bash > vireid.sh && source vireid.sh
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 all is well, 1 doctor found a fault, 2 an error.

    130 is Ctrl-C, 143 SIGTERM; both end a command as soon as it can be left whole, with a line that says what is kept.

    An error that a user can mend is a message on standard error; with ``--debug`` the traceback stands before it.

    Raises:
        SystemExit: the parser printed help (0) or refused the arguments (2).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        sys.stdout.write(f"vireid {vireid.__version__}\n")
        return 0
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _quiet_libraries()
    try:
        with ended_by_termination():
            return app.cli(
                prog="vireid",
                args=arguments or ["--help"],
                config=(tyro.conf.OmitSubcommandPrefixes,),
                description=DESCRIPTION,
            )
    except KeyboardInterrupt as ending:
        _say_end("interrupted", ending)
        return INTERRUPTED
    except SystemExit as ending:
        if ending.code != TERMINATED:
            raise
        _say_end("terminated", ending)
        return TERMINATED
    except BrokenPipeError:
        # The reader of a pipe has seen enough, as `head` does. What is still buffered would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from vireid.cli.console import progress_console, say

        progress_console.quiet = False
        message = _what_to_say(error)
        if debug or message is None:
            traceback.print_exc()
        say(
            f"vireid: {message or 'this is a fault of vireid, please report it with the lines above'}",
            to=progress_console,
        )
        return 2


def _say_end(how: str, ending: KeyboardInterrupt | SystemExit) -> None:
    from vireid.cli.console import progress_console, say

    kept = kept_after(ending)
    say(f"vireid: {how}; {kept}" if kept else f"vireid: {how}", to=progress_console)


def _what_to_say(error: Exception) -> str | None:
    """The message for an error that a user can mend, None for any other."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        said = str(error).partition("\n")[0].partition(". ")[0]
        return f"error: out of memory: {said or 'no more could be had'}; take smaller batches or images"
    if isinstance(error, RuntimeError) and _is_of_lost_process(error):
        return "error: another process of this job has ended, and this one with it; what the other said tells why"
    if isinstance(error, ModuleNotFoundError) and error.name == "shtab":
        return "error: completion for this shell needs one more package: pip install shtab"
    if isinstance(error, OSError):
        return f"error: {_of_system(error)}"
    return f"error: {error}" if isinstance(error, VireidError) else None


def _of_system(error: OSError) -> str:
    """What the system said, of which file, and what to do; its own words where nothing can be added."""
    todo = None if error.errno is None else WHAT_TO_DO.get(error.errno)
    if todo is None:
        return str(error)
    place = "a file that the system does not name" if error.filename is None else printable(str(error.filename))
    return f"cannot use {place}: {error.strerror}; {todo}"


def _is_of_lost_process(error: RuntimeError) -> bool:
    """Whether a process that works with others found that one is gone; gloo says so in a plain RuntimeError."""
    together = sys.modules.get("torch.distributed")
    if not (together and together.is_available() and together.is_initialized()):
        return False
    return isinstance(error, together.DistBackendError | together.DistNetworkError) or "/gloo/" in str(error)


def _quiet_libraries() -> None:
    """Silence what the libraries beneath would tell others.

    That is advice to whoever programs them, of which a user of the command line has nothing, and PyArrow's traces:
    where the environment asks for these, they carry names of files and of what is looked for to a collector.
    """
    os.environ.pop("ARROW_TRACING_BACKEND", None)
    warnings.filterwarnings("ignore", module=r"(lightning_fabric|torch|timm)\b")
    for logger, level in {
        "lightning_fabric.utilities.rank_zero": logging.WARNING,
        "lightning_fabric.utilities.distributed": logging.WARNING,
        "huggingface_hub.utils._http": logging.ERROR,
    }.items():
        logging.getLogger(logger).setLevel(level)
