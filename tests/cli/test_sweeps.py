"""The named grids: what each cell is, and that the networks of the costed ones can be built."""

import dataclasses
from typing import get_args

import pytest

from vireid.cli.config import SweepName
from vireid.cli.recipes import RECIPES
from vireid.cli.sweep_table import published_beside
from vireid.cli.sweeps import make_cells
from vireid.cli.train import network_arguments
from vireid.models import build_network
from vireid.types import VireidError

NAMES = get_args(SweepName)


def recipes(name, **keywords):
    return {cell.key: cell.recipe for cell in make_cells(name, **keywords)}


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_another_training_in_a_folder_of_its_own_under_the_same_columns(name, small):
    cells = make_cells(name, small=small)
    assert len({cell.key for cell in cells}) == len(cells)
    assert len({repr(cell.recipe) for cell in cells}) == len(cells)
    assert len({cell.labels for cell in cells}) == len(cells)
    assert len({tuple(column for column, _ in cell.labels) for cell in cells}) == 1
    assert all(cell.key == cell.key.strip("./") and "/" not in cell.key for cell in cells)


@pytest.mark.parametrize("small", [False, True])
def test_table4_goes_from_the_base_to_mscmnet_by_three_switches(small):
    cells, form = make_cells("table4", small=small), "-small" if small else ""
    assert cells[0].recipe == RECIPES[f"baseline{form}"]
    assert cells[-1].recipe == RECIPES[f"mscmnet{form}"]
    for cell in cells:
        parts = cell.published.split("+")
        assert cell.recipe.network.streams == ("quadruple" if "QFE" in parts else "triple")
        assert cell.recipe.views.style == ("mscmnet" if "QFE" in parts else "caj")
        assert cell.recipe.network.mimb == ("MIMB" in parts)
        assert cell.recipe.loss.metric == ("quadruple-center" if "QCT" in parts else "squared-difference")


def test_the_published_number_stands_beside_its_own_row_and_search_only():
    found = [published_beside(cell, "sysu") for cell in make_cells("table4")]
    assert [row.rank1 for row in found] == [69.9, 73.0, 74.3, 75.1, 76.5, 77.1, 78.5]
    # Table IV was made on SYSU-MM01; there is none for the others.
    for dataset in ("regdb", "llcm", "folder"):
        assert not any(published_beside(cell, dataset) for cell in make_cells("table4"))
    methods = {cell.key: cell for cell in make_cells("methods")}
    assert published_beside(methods["agw"], "regdb").rank1 == 70.4
    assert published_beside(methods["deen"], "llcm").map == 62.9
    assert published_beside(methods["caj"], "sysu").kind == "plain (flip at test)"
    assert published_beside(methods["mspac"], "sysu") is None


@pytest.mark.parametrize("name", ["fig5", "fig6", "fig7", "questions"])
def test_one_cell_of_each_figure_is_mscmnet_with_its_published_number(name):
    full = [cell for cell in make_cells(name) if cell.recipe == RECIPES["mscmnet"]]
    assert [cell.published for cell in full] == ["MSCMNet"]


def test_fig5_grows_by_one_block_with_and_without_scales():
    blocks = [recipe.network.mimb_blocks for recipe in recipes("fig5").values()]
    assert blocks[:5] == [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 3)]
    assert blocks[5:] == [(3,), (3, 3), (3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3, 3)]


def test_fig7_has_the_older_losses_and_alpha_from_0_to_1():
    losses = [recipe.loss for recipe in recipes("fig7").values()]
    assert [loss.metric for loss in losses[:4]] == ["center", "batch-hard", "weighted-triplet", "center-triplet"]
    assert {loss.metric for loss in losses[4:]} == {"quadruple-center"}
    # None is the paper's own, 0.05.
    assert [loss.alpha for loss in losses[4:]] == [0.0, None, 0.1, 0.25, 0.5, 0.75, 1.0]


def test_methods_are_table4_and_the_others_at_the_same_epochs_and_images_a_step():
    base = RECIPES["mscmnet"]
    methods = recipes("methods")
    assert {key: methods.pop(key) for key in recipes("table4")} == recipes("table4")
    for key, recipe in methods.items():
        assert (recipe.epochs, recipe.identities, recipe.images) == (150, 6, 4)
        name, _, mimb = key.partition("-")
        own = RECIPES[name].optimizer
        assert recipe.optimizer.milestones == tuple(
            milestone * base.epochs // RECIPES[name].epochs for milestone in own.milestones
        )
        assert recipe.network == dataclasses.replace(RECIPES[name].network, mimb=bool(mimb))
    assert sorted(methods) == ["agw", "agw-mimb", "caj", "caj-mimb", "cscl", "deen", "deen-mimb", "mspac"]
    labels = {cell.key: dict(cell.labels)["method"] for cell in make_cells("methods")}
    assert labels["mspac"] == "mspac (reconstruction)"


def test_mimb_comes_in_pairs_that_differ_in_it_alone():
    cells = make_cells("mimb", small=True)
    for plain, mined in zip(cells[::2], cells[1::2], strict=True):
        assert not plain.recipe.network.mimb
        assert dataclasses.replace(plain.recipe.network, mimb=True) == mined.recipe.network
        assert dataclasses.replace(plain.recipe, network=mined.recipe.network) == mined.recipe


def test_a_change_of_length_keeps_the_schedule_s_shape():
    [recipe] = {repr(cell.recipe.optimizer): cell.recipe for cell in make_cells("table4", epochs=15)}.values()
    assert (recipe.epochs, recipe.optimizer.milestones) == (15, (3, 9, 12))
    [short] = {cell.recipe.optimizer.milestones for cell in make_cells("fig6", epochs=1)}
    assert short == (1, 1, 1)
    with pytest.raises(VireidError, match="at least 1 epoch, got 0"):
        make_cells("fig6", epochs=0)


def test_weights_go_to_every_backbone():
    assert {recipe.network.weights for recipe in recipes("mimb", weights="none").values()} == {"none"}


@pytest.mark.parametrize("name", ["questions", "mimb"])
def test_the_networks_of_costed_sweeps_can_be_built(name):
    for key, recipe in recipes(name, small=True).items():
        network = build_network(**network_arguments(recipe.network, identities=2, seed=0))
        assert (network.mimb is not None) == recipe.network.mimb, key
