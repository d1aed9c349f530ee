"""A card keeps its owner's words."""

import numpy as np
import pytest
import yaml

from vireid.evaluation import Evaluation, Protocol, store_result
from vireid.models import fingerprint
from vireid.sharing import write_card
from vireid.types import Score, VireidError

PROTOCOL = Protocol(
    data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1, draw="seeded"
)


def measure(run):
    trial = Score(cmc=np.linspace(0.5, 1, 20), map=0.25, minp=0.125, valid=8, queries=9, gallery=7)
    store_result(run, Evaluation(protocol=PROTOCOL, trials=[trial]), weights=fingerprint(run, "bn"))


def metadata(file):
    return yaml.safe_load(file.read_text().split("---\n")[1])


def edit(file, before, after):
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def test_writing_it_again_changes_nothing(run):
    measure(run)
    file = write_card(run)
    assert file == run / "README.md"
    before = file.read_text()
    assert write_card(run).read_text() == before


def test_words_outside_the_marks_are_kept_when_results_come(run):
    file = write_card(run)
    edit(file, "<!-- vireid: end -->", "<!-- vireid: end -->\n\n## Whom to ask\n\nAnna, with äöü and --- and | too.")
    edit(file, "---\n<!-- vireid ", "---\nWithdrawn on 3 May.\n\n<!-- vireid ")
    measure(run)
    text = write_card(run).read_text()
    assert "| sysu all-search 1-shot seeded i2v, bn | 1 | 50.00 |" in text
    assert "\n## Whom to ask\n\nAnna, with äöü and --- and | too." in text
    assert "---\nWithdrawn on 3 May.\n\n<!-- vireid " in text
    assert text.count("# mscmnet-small") == 1


def test_metadata_of_the_owner_are_kept(run):
    file = write_card(run, license="cc-by-nc-4.0")
    assert "cc-by-nc-4.0, as chosen by whoever shares these weights." in file.read_text()
    edit(file, "library_name: vireid", "library_name: vireid\ndatasets:\n- anna/crops\nlanguage: de\nextra: 3")
    edit(file, "- visible-infrared\n", "- visible-infrared\n- harbour\n")
    measure(run)
    found = metadata(write_card(run))
    assert (found["license"], found["datasets"], found["language"]) == ("cc-by-nc-4.0", ["anna/crops"], "de")
    assert found["extra"] == 3
    assert "harbour" in found["tags"]
    assert len(found["tags"]) == len(set(found["tags"])) == 4
    assert "model-index" in found
    assert metadata(write_card(run, license="mit"))["license"] == "mit"


@pytest.mark.parametrize(
    ("before", "after"),
    [("It ranks; it does not decide.", "It decides."), ("value: 50.0", "value: 99.0"), ("trials: 1\n", "trials: 10\n")],
)
def test_what_was_changed_by_hand_between_the_marks_is_not_written_over(run, before, after):
    measure(run)
    file = write_card(run)
    edit(file, before, after)
    changed = file.read_text()
    with pytest.raises(VireidError, match=r"was changed by hand .* put your words behind the last mark"):
        write_card(run)
    assert file.read_text() == changed
    assert after not in write_card(run, overwrite=True).read_text()


def test_a_file_of_the_owners_is_not_written_over(run, monkeypatch):
    # Its library would warn whoever reads of what is no fault of theirs.
    warnings: list[str] = []
    monkeypatch.setattr("huggingface_hub.repocard.logger.warning", warnings.append)
    file = run / "README.md"
    file.write_text("# My notes\n")
    with pytest.raises(VireidError, match="is not a card that vireid wrote, and was left as it is"):
        write_card(run)
    assert file.read_text() == "# My notes\n"
    assert "My notes" not in write_card(run, overwrite=True).read_text()
    assert warnings == []


@pytest.mark.parametrize(
    "top",
    [
        "---\na: [\n---\n",
        "---\n- a\n---\n",
        "---\n1: a\n---\n",
        f"---\na: {'[' * 5000}\n---\n",
        "---\na: &a [*a]\nmodel-index: *a\n---\n",
        "---\nmodel-index: 2020-01-01\n---\n",
        "---\nmodel_name: [x]\neval_results: 5\n---\n",
    ],
)
def test_metadata_that_cannot_be_read_are_named(run, top):
    file = run / "README.md"
    mine = write_card(run).read_text().split("---\n", 2)[2]
    file.write_text(top + mine)
    with pytest.raises(VireidError, match=r"is not a card that can be read .*; mend its first lines") as said:
        write_card(run)
    assert "\n" not in str(said.value)
    assert "library_name: vireid" in write_card(run, overwrite=True).read_text()


def test_line_ends_of_another_system_are_no_change(run):
    file = write_card(run)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    measure(run)
    assert "50.00" in write_card(run).read_text()


def test_dates_and_names_of_the_hubs_own_among_the_metadata_do_no_harm(run):
    file = write_card(run)
    edit(file, "library_name: vireid", "library_name: vireid\nmodel_name: x\ncollected: 2020-01-01")
    measure(run)
    assert metadata(write_card(run))["collected"].year == 2020
    edit(file, "library_name: vireid", "library_name: 2020-01-01")
    with pytest.raises(VireidError, match="is not a card that can be read"):
        write_card(run)


def test_a_card_is_written_over_no_link_that_leads_out(run, tmp_path):
    outside = tmp_path / "outside.md"
    write_card(run).rename(outside)
    before = outside.read_text()
    (run / "README.md").symlink_to(outside)
    with pytest.raises(VireidError, match=f"but its README.md leads to {outside}; remove the link, or put what it"):
        write_card(run, license="mit")
    assert outside.read_text() == before
    assert (run / "README.md").is_symlink()
