"""``vireid demo``: make a world, check it, train on it, measure by the exact protocol, and search, in minutes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from rich.table import Table

from vireid.cli.config import DemoConfig, SynthConfig, TrainConfig
from vireid.cli.console import console, progress_bar
from vireid.cli.demo_folder import GALLERY, RESULTS, RUN, WORLD
from vireid.cli.doctor import show_diagnosis
from vireid.cli.evaluate import RANKS, rates_row
from vireid.cli.gallery_config import IndexConfig
from vireid.cli.index import index
from vireid.cli.plan import Plan, make_plan
from vireid.cli.recipes import RECIPES
from vireid.cli.sharing import refresh_card
from vireid.cli.synth import synth
from vireid.cli.termination import telling_what_is_kept
from vireid.cli.train import network_arguments, train
from vireid.data import diagnose
from vireid.evaluation import Averages, chance, evaluate, store_result
from vireid.figures import draw_ranking
from vireid.models import Network, build_network, fingerprint, load_network
from vireid.retrieval import embed_records, search
from vireid.types import Embeddings, Modality, Records, VireidError, write_atomically

__all__ = ["demo"]

RECIPE = "mscmnet-small"
PERSONS = 400
IMAGES_PER_CAMERA = 2
TEST_FRACTION = 0.2
SIZE = (128, 64)
MODES = ("all", "indoor")
PICTURED = 6


def demo(config: DemoConfig) -> None:
    """Run every stage that is not done yet and end with the table and what to try next.

    Raises:
        VireidError: the made world is faulty, which would be a fault of the library, or what the stages refuse.
    """
    with telling_what_is_kept("what is done stays: start the same command again to go on"):
        _run_stages(config)


def _run_stages(config: DemoConfig) -> None:
    world, run, results = config.out / WORLD, config.out / RUN, config.out / RESULTS
    _announce("1. A made day-and-night world, in the layout of SYSU-MM01")
    _make_world(world, config.seed)
    _announce("2. Is the data set sound? (vireid doctor)")
    _check_world(world)
    _announce(f"3. Training {RECIPE} (vireid train)")
    recipe = RECIPES[RECIPE]
    train(TrainConfig(root=world, out=run, recipe=recipe, name=RECIPE, seed=config.seed, resume=run.exists()))
    _announce("4. Measured by the SYSU-MM01 protocol, on people never seen in training")
    trained, facts = load_network(run)
    arguments = network_arguments(recipe.network, identities=trained.head.classifier.out_features, seed=config.seed)
    plans = {
        mode: make_plan("sysu", world, feature="bn", checkpoint_rule=facts["checkpoint_rule"], method=RECIPE, mode=mode)
        for mode in MODES
    }
    records = plans["all"].records
    embeddings = {
        "trained": dataclasses.replace(_embed(trained, records, "trained"), maker=fingerprint(run, "bn")),
        "untrained": _embed(build_network(**arguments).eval(), records, "untrained"),
    }
    embeddings["trained"].save(results / "test_embeddings.npz")
    table = _measure(plans, embeddings, run, results / "results.json")
    refresh_card(run)
    picture = results / "ranked.png"
    _draw(records, embeddings["trained"], plans["all"].trials[0].gallery_rows, picture)
    console.print(table)
    _announce("5. A gallery of these people, to search in (vireid index)")
    index(IndexConfig(images=world, dataset="sysu", split="test", checkpoint=run, gallery=str(config.out / GALLERY)))
    query = records.file(int(records.rows(modality=Modality.INFRARED)[0]))
    _say_what_next(config.out, world, run, picture, query)


def _announce(stage: str) -> None:
    console.rule(f"[bold]{stage}", align="left")


def _make_world(world: Path, seed: int) -> None:
    if world.exists():
        console.print(f"{world} is there already")
        return
    height, width = SIZE
    synth(
        SynthConfig(
            out=world,
            persons=PERSONS,
            images_per_camera=IMAGES_PER_CAMERA,
            height=height,
            width=width,
            seed=seed,
            test_fraction=TEST_FRACTION,
        )
    )


def _check_world(world: Path) -> None:
    with progress_bar("looking into") as progress:
        diagnosis = diagnose("sysu", world, progress=progress)
    show_diagnosis(diagnosis)
    if diagnosis.failed:
        raise VireidError(f"the made world in {world} is faulty: remove it and run the demo again")


def _measure(plans: dict[str, Plan], embeddings: dict[str, Embeddings], run: Path, file: Path) -> Table:
    """Score each network in each mode, with chance beside it, into a table and a file.

    What the trained one scores stays with its run, too.
    """
    document = {}
    table = Table(title="Percent, mean of ten trials", title_justify="left")
    for name in ["search", "network", *(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP"]:
        table.add_column(name, justify="left" if name in ("search", "network") else "right")
    for mode, plan in plans.items():
        outcomes = {name: evaluate(plan.records, each, plan.trials, plan.protocol) for name, each in embeddings.items()}
        rows: dict[str, Averages] = {name: outcome.mean for name, outcome in outcomes.items()}
        store_result(run, outcomes["trained"], weights=embeddings["trained"].maker)
        rows["chance"] = chance(plan.records, plan.trials)
        for name, averages in rows.items():
            table.add_row(mode if name == "trained" else "", name, *rates_row(averages))
        table.add_section()
        document[mode] = {name: outcome.to_json() for name, outcome in outcomes.items()} | {"chance": rows["chance"]}
    with write_atomically(file) as draft:
        draft.write_text(json.dumps(document, indent=1))
    return table


def _embed(network: Network, records: Records, name: str) -> Embeddings:
    with progress_bar(f"embedding, {name}") as progress:
        return embed_records(network, records, progress=progress)


def _draw(records: Records, embeddings: Embeddings, gallery_rows: np.ndarray, file: Path) -> None:
    """A handful of infrared queries, evenly spread over all of them, and their best matches."""
    infrared = records.rows(modality=Modality.INFRARED)
    chosen = infrared[np.unique(np.linspace(0, len(infrared) - 1, PICTURED).round().astype(int))]
    # Queries of camera 3 may not see camera 2, which looks at the same place; one gallery for all leaves it out.
    gallery_rows = np.sort(gallery_rows[records.cameras[gallery_rows] != 2])
    ranking = search(embeddings.features[chosen], embeddings.features[gallery_rows], top=10)
    picture = draw_ranking(
        records.take(chosen),
        records.take(gallery_rows),
        ranking,
        query_rows=range(len(chosen)),
        known=True,
        title="Infrared queries and their ten nearest visible images: blue tick right, orange cross wrong",
    )
    with write_atomically(file) as draft:
        picture.save(draft, format="PNG")


def _say_what_next(out: Path, world: Path, run: Path, picture: Path, query: Path) -> None:
    console.print(
        f"\nLook at [bold]{picture}[/]; every figure with its protocol is in {picture.parent / 'results.json'}.\n"
    )
    console.print("Next, try:", style="bold")
    found = f"--gallery {world / 'cam4'} --top 5 --picture {out / 'found.png'}"
    served = "--demo" if out == DemoConfig().out else f"--gallery {out / GALLERY} --checkpoint {run} --images {world}"
    for command in (
        f"vireid serve {served}",
        f"vireid report {run} --out {out / 'report'}",
        f"vireid search --checkpoint {run} --queries {query} {found}",
        f"vireid evaluate --checkpoint {run} --dataset sysu --root {world} --mode all --rerank",
        f"vireid train {RECIPE} --root {world} --out {out / 'no-mimb'} --network.no-mimb",
    ):
        console.print(f"  {command}", soft_wrap=True)
