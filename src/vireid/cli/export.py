"""``vireid export``: a run for places without vireid, compared with the run before it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vireid.cli.console import progress_bar, progress_console, say
from vireid.cli.device import pick_device
from vireid.cli.export_config import ExportConfig
from vireid.cli.plan import Plan, make_plan
from vireid.data import read
from vireid.data.pixel_source import PixelSource
from vireid.evaluation import evaluate, refuse_other_trial, rows_of
from vireid.exports import ExportFacts, check_offered, check_scores, export_network, is_export
from vireid.models import EmbeddingModel, Network, fingerprint, load_network
from vireid.retrieval import embed_records
from vireid.types import Modality, Records, VireidError

__all__ = ["export_command"]

COMPARED = 64
"""Test images of each modality whose vectors are compared."""

Images = dict[Modality, UInt8[np.ndarray, "_ 3 h w"]]


def export_command(config: ExportConfig) -> ExportFacts:
    """Write the export and say what was found.

    Raises:
        VireidError: an export of an export, half of a data set, another trial, what `export_network` refuses.
    """
    check_offered(config.to, config.precision)
    if is_export(config.run):
        raise VireidError(f"{config.run} is an export already; name the run that it was made of")
    if (config.dataset is None) != (config.root is None):
        raise VireidError("a data set is named by --dataset NAME and --root ROOT together; give both or neither")
    if config.calibration < 1:
        raise VireidError(f"int8 needs at least 1 image to learn from, got --calibration {config.calibration}")
    network, facts = load_network(config.run)
    plan = _plan(config, facts)
    images = calibration = compare = None
    if plan is not None:
        if config.precision == "int8":
            calibration = _calibration(config, plan, network.image_size)
        if not config.no_verify:
            images = _pixels(plan.records, rows_of(plan.trials), network.image_size, COMPARED)
            if config.precision != "32":
                compare = _Comparison(config, plan, network)
    say(f"exporting {config.run} to {config.to} {config.precision}", to=progress_console)
    made = export_network(
        network,
        facts,
        config.out,
        source=fingerprint(config.run, config.feature),
        to=config.to,
        precision=config.precision,
        feature=config.feature,
        verify=not config.no_verify,
        images=images,
        calibration=calibration,
        compare=compare,
    )
    _show(config, made)
    return made


def _plan(config: ExportConfig, facts: dict[str, Any]) -> Plan | None:
    if config.dataset is None or config.root is None:
        return None
    if config.dataset == "regdb" and facts.get("dataset") == "regdb":
        refuse_other_trial(facts.get("trial"), config.trial)
    return make_plan(
        config.dataset,
        config.root,
        feature=config.feature,
        checkpoint_rule=facts.get("checkpoint_rule") or "not known",
        trial=config.trial,
    )


def _calibration(config: ExportConfig, plan: Plan, image_size: tuple[int, int]) -> Images:
    """Training images of the data set, none of a person of the test."""
    assert config.root is not None
    records = read(str(config.dataset), config.root, trial=config.trial, splits=("train",))
    tested = set(plan.records.persons.tolist())
    known = np.unique(records.persons[records.persons >= 0])
    shared = sorted(tested & set(known.tolist()))
    if shared:
        raise VireidError(
            f"int8 learns from training people only, but {len(shared)} of them are tested too, the first {shared[0]}; "
            "separate train and test by person"
        )
    for modality in Modality:
        if not len(records.rows(modality=modality)):
            raise VireidError(
                f"int8 learns from training images of both modalities, but {config.root} has no {modality.value} ones"
            )
    return _pixels(records, np.arange(len(records)), image_size, config.calibration)


def _pixels(records: Records, rows: np.ndarray, image_size: tuple[int, int], count: int) -> Images:
    """Some images of each modality, drawn with a seed."""
    source = PixelSource(records, image_size, None, use="exported")
    images = {}
    for modality in Modality:
        of_it = rows[records.infrared[rows] == (modality is Modality.INFRARED)]
        drawn = np.sort(np.random.default_rng(0).permutation(of_it)[:count])
        images[modality] = source.batch(drawn).numpy()
    return images


class _Comparison:
    """Scores of the run and of its export, by the protocol of the data set."""

    def __init__(self, config: ExportConfig, plan: Plan, network: Network) -> None:
        self._config, self._plan, self._network = config, plan, network

    def __call__(self, exported: EmbeddingModel) -> dict[str, Any]:
        run = self._score(self._network, "the run", pick_device(self._config.accelerator))
        # On the CPU, where int8 and ONNX Runtime as it is usually installed compute.
        found = check_scores(run, self._score(exported, "its export", torch.device("cpu")))
        protocol = self._plan.protocol
        return {"protocol": f"{protocol.name}, {len(self._plan.trials)} trials", **found}

    def _score(self, model: EmbeddingModel, name: str, device: torch.device) -> dict[str, float]:
        with progress_bar(f"embedding with {name}") as progress:
            embeddings = embed_records(
                model,
                self._plan.records,
                rows_of(self._plan.trials),
                feature=self._config.feature,
                precision="32",
                device=device,
                workers=self._config.workers,
                progress=progress,
            )
        mean = evaluate(self._plan.records, embeddings, self._plan.trials, self._plan.protocol).mean
        return {"Rank-1": 100 * mean["cmc"][0], "mAP": 100 * mean["map"]}


def _show(config: ExportConfig, made: ExportFacts) -> None:
    for file in made.files.values():
        say(f"{config.out / file.name}  {file.bytes / 1e6:.1f} MB")
    for name, quantised in (made.quantised or {}).items():
        say(
            f"{name}: {quantised['convolutions_in_8_bits']} of {quantised['of']} convolutions in 8 bits, mean cosine "
            f"{quantised['mean_cosine']:.4f} on training images"
        )
    found = made.verification
    if found is None:
        say("not verified: it was compared with nothing, and galleries of the run refuse it")
        return
    vectors = found["vectors"]
    count = vectors["made_images"] + vectors["images_of_data_set"]
    say(
        f"vectors of {count} images differ from the run's by {vectors['largest_difference']:.1e} at most, "
        f"least cosine {vectors['least_cosine']:.6f}"
    )
    if "scores" in found:
        scores = found["scores"]
        for name, score in scores["run"].items():
            say(f"{name}: run {score:.2f}, export {scores['export'][name]:.2f} ({scores['protocol']})")
    say(f"verified; galleries know it as {made.fingerprint}")
