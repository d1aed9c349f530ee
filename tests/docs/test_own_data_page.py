"""The commands of the page on own crops work, one after the other, in a fresh folder."""

import shlex
import shutil

import pytest

from vireid.cli.main import main

# The page's sizes take minutes; the commands are the same.
SMALLER = {
    "synth": ["--persons", "8", "--images-per-camera", "2", "--height", "64", "--width", "32", "--workers", "1"],
    "train": ["--accelerator", "cpu"],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments):
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def test_its_commands_run_as_they_stand(pages, place, tiny_flags, tiny_world, capsys):
    # The reader's own: a folder a camera, one a track in it, and a picture of the night.
    for camera, name in (("cam1", "yard"), ("cam3", "gate")):
        shutil.copytree(tiny_world / camera, place / "yours" / name)
    shutil.copy(next((tiny_world / "cam3").rglob("*.jpg")), place / "night.jpg")
    lines = pages["docs/how-to/own_data.md"].splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("vireid ")]
    assert [arguments[0] for arguments in commands] == [
        *("synth", "train", "index", "search", "index", "search", "doctor", "evaluate", "train", "train")
    ]
    for arguments in commands:
        if arguments[:2] == ["train", "mscmnet"]:
            continue  # wants a GPU and ImageNet's weights; that it parses is tested with all commands
        small = tiny_flags if arguments[0] == "train" else []
        code = run([*arguments, *small, *SMALLER.get(arguments[0], [])])
        assert code == 0, f"{arguments}: {capsys.readouterr()}"
    assert (place / "found.png").stat().st_size > 0
    assert (place / "i2v.json").stat().st_size > 0


def test_indexing_the_made_crops_as_a_tree_says_what_to_index(place, tiny_run, capsys):
    assert run(["synth", "crops", "--dataset", "folder", *SMALLER["synth"]]) == 0
    arguments = ["--checkpoint", str(tiny_run), "--gallery", "gallery", "--levels", "camera", "track"]
    assert run(["index", "crops", *arguments]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "crops holds a manifest; index crops/manifest.csv to use it" in said
