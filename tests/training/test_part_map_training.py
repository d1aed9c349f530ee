"""Given part maps reach the criterion moved as their images are."""

import numpy as np
import pytest
import torch
from PIL import Image

from vireid.models import DUAL_STREAMS, build_network
from vireid.training import PartMaps, Targets, fit, load_failed_step, make_criterion
from vireid.transforms import Movement, make_views
from vireid.types import Modality, Record, Records, VireidError

SIZE = (32, 16)
LIGHT = 60
"""Gray levels between the parts of an image, so that a pixel tells its part."""


@pytest.fixture
def records(tmp_path) -> Records:
    """Images whose gray levels are their part maps; the first visible image has none."""
    random = np.random.default_rng(0)
    rows = []
    for person in range(2):
        for modality in Modality:
            for number in range(2):
                parts = random.integers(0, 4, (8, 4)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
                path = f"{modality.value}_{person}_{number}.png"
                Image.fromarray(np.repeat(parts[:, :, None] * LIGHT, 3, axis=2).astype(np.uint8)).save(tmp_path / path)
                (tmp_path / "parts").mkdir(exist_ok=True)
                if path != "visible_0_0.png":
                    Image.fromarray(parts).save(tmp_path / "parts" / path)
                rows.append(Record(path=path, person=person, camera=0, modality=modality, split="train"))
    return Records.build(tmp_path, rows)


def network(**changes):
    arguments = {
        "identities": 2,
        "image_size": SIZE,
        "streams": DUAL_STREAMS,
        "backbone": "resnet10t",
        "backbone_options": {"channels": (8, 16, 24, 32)},
        "weights": "none",
        "nonlocal_blocks": (0, 0, 0, 0),
        "mimb": False,
        "parts": 4,
        "parsing_attention": (2,),
    }
    return build_network(**(arguments | changes))


def train(records, out, *, style="agw", criterion=None, views=None, epochs=2):
    return fit(
        network(),
        records,
        out=out,
        views=views or make_views(style=style, padding=3, erasing=0.0),
        criterion=criterion or make_criterion(streams=DUAL_STREAMS, metric="none", parsing_weight=1.0),
        part_maps=PartMaps(records.root / "parts", 4, Movement(padding=3, erasing=0.0)),
        epochs=epochs,
        identities=2,
        images=2,
        accelerator="cpu",
    )


def test_maps_are_cropped_and_mirrored_with_their_images(records, tmp_path):
    seen, held = [], []
    plain = make_views(style="agw", padding=3, erasing=0.0)

    def remembered(name):
        def view(images, generator, *, moves=None):
            made = plain[name](images, generator, moves=moves)
            seen.append(made)
            return made

        return view

    loss = make_criterion(streams=DUAL_STREAMS, metric="none", parsing_weight=1.0)

    def criterion(output, targets):
        held.append(targets.part_maps)
        return loss(output, targets)

    train(records, tmp_path / "run", criterion=criterion, views={name: remembered(name) for name in plain})
    images, maps = torch.cat(seen), torch.cat(held)
    without = (maps == 255).flatten(1).all(dim=1)
    assert 0 < without.sum() < len(maps) / 2
    levels = torch.arange(4) * LIGHT
    mean, std = 0.485, 0.229  # of ImageNet's red
    shown = (images[:, 0] * std + mean) * 255
    expected = levels[maps[~without].long()].float()
    torch.testing.assert_close(shown[~without], expected, atol=0.01, rtol=0)
    # Some were moved: a border of background came in.
    assert (maps[~without][:, 0] == 0).all(dim=1).any()


def test_a_resumed_run_with_part_maps_ends_in_the_same_weights(records, tmp_path):
    whole = train(records, tmp_path / "whole", style="caj", epochs=3)
    train(records, tmp_path / "half", style="caj", epochs=2)
    resumed = fit(
        network(),
        records,
        out=tmp_path / "half",
        views=make_views(style="caj", padding=3, erasing=0.0),
        criterion=make_criterion(streams=DUAL_STREAMS, metric="none", parsing_weight=1.0),
        part_maps=PartMaps(records.root / "parts", 4, Movement(padding=3, erasing=0.0)),
        epochs=3,
        identities=2,
        images=2,
        accelerator="cpu",
        resume=True,
    )
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_map_with_more_parts_than_the_network_stops_the_training(records, tmp_path):
    Image.fromarray(np.full(SIZE, 9, dtype=np.uint8)).save(records.root / "parts" / "infrared_1_1.png")
    with pytest.raises(VireidError, match=r"infrared_1_1\.png.*9"):
        train(records, tmp_path / "run", epochs=4)


def test_a_broken_step_keeps_its_part_maps_and_what_layers_drew(records, tmp_path):
    """Done again, the step has the loss of a training that did not break."""
    plain = make_criterion(streams=DUAL_STREAMS, metric="none", parsing_weight=1.0)
    told, calls = [], []

    def dropping():
        made = network()
        made.stages[0].append(torch.nn.Dropout(0.5))
        return made

    def breaking(output, targets):
        terms = plain(output, targets)
        told.append({name: float(term.detach()) for name, term in terms.items()})
        calls.append(1)
        return terms | {"broken": output.features.sum() * (float("nan") if len(calls) == 2 else 0.0)}

    with pytest.raises(VireidError, match="'broken' is nan at step 1"):
        fit(
            dropping(),
            records,
            out=tmp_path / "run",
            views=make_views(style="agw", padding=3, erasing=0.0),
            criterion=breaking,
            part_maps=PartMaps(records.root / "parts", 4, Movement(padding=3, erasing=0.0)),
            epochs=3,
            identities=2,
            images=2,
            accelerator="cpu",
        )
    failed = load_failed_step(tmp_path / "run" / "failed_step.pt")
    again = dropping().train()
    again.load_state_dict(failed.network)
    torch.manual_seed(failed.seeds[0])
    with torch.no_grad():
        terms = plain(again(failed.views[0]), Targets(failed.labels[0], failed.part_maps[0]))
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(told[-1], rel=1e-6)
