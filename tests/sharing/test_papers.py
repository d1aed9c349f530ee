"""Every recipe follows a paper."""

import pytest

from vireid.cli.recipes import RECIPES
from vireid.sharing.papers import papers_of


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_names_its_paper_in_all_its_forms(recipe):
    papers = papers_of(recipe, {})
    assert papers
    assert papers_of(f"{recipe}, settings changed", {}) == papers


def test_parts_that_are_switched_on_have_papers_of_their_own():
    [agw, mscmnet] = papers_of("agw, settings changed", {"mimb": True})
    assert "Survey and Outlook" in agw
    assert "MSCMNet" in mscmnet
    assert len(papers_of("own", {"stripes": [6], "parts": 7, "aggregation": True, "mimb": False})) == 3
