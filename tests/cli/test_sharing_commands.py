"""card, push and pull from the command line; the Hub itself is in tests/sharing."""

import shutil

import pytest

from vireid.sharing import shared_files
from vireid.types import VireidError


@pytest.fixture
def run(tiny_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    return copy


def test_a_training_leaves_a_card_and_a_measurement_renews_it(vireid, run, worlds):
    shutil.rmtree(run / "results", ignore_errors=True)
    assert vireid("card", run, "--overwrite").code == 0
    file = run / "README.md"
    assert "have not been measured" in file.read_text()
    assert vireid("evaluate", "--checkpoint", run, "--dataset", "sysu", "--root", worlds["sysu"]).code == 0
    assert "| sysu all-search 1-shot seeded i2v, bn, a made world | 10 |" in file.read_text()


def test_a_card_that_was_changed_stays_and_the_measurement_says_so(vireid, run, worlds):
    file = run / "README.md"
    file.write_text("# Mine\n")
    said = vireid("evaluate", "--checkpoint", run, "--dataset", "sysu", "--root", worlds["sysu"], "--trials", 1)
    assert said.code == 0
    assert "the card was not brought up to date" in said.out
    assert file.read_text() == "# Mine\n"
    refused = vireid("card", run)
    assert refused.code == 2
    assert "is not a card that vireid wrote, and was left as it is" in refused.err
    assert vireid("card", run, "--overwrite", "--license", "mit").out == f"card in {file}\n"
    assert "license: mit" in file.read_text()


def test_a_dry_run_lists_exactly_what_would_go(vireid, run, monkeypatch):
    shutil.rmtree(run / "results", ignore_errors=True)
    monkeypatch.setattr("vireid.cli.sharing.push_files", lambda *a, **k: pytest.fail("sent"))
    said = vireid("push", run, "anna/night", "--dry-run")
    first, *files, last = said.out.splitlines()
    assert first == "would go to anna/night, to be seen by you and whom you let:"
    assert [line.split()[0] for line in files] == ["weights.safetensors", "config.json", "sha256.json", "README.md"]
    size = (run / "weights.safetensors").stat().st_size
    assert files[0].split() == ["weights.safetensors", f"{size:,}", "bytes"]
    assert last == "nothing was sent"
    public = vireid("push", run, "anna/night", "--dry-run", "--public", "--include-log").out
    assert "to be seen by everybody" in public
    assert "log.jsonl" in public


def test_flags_reach_the_push_and_the_files_are_gathered_once(vireid, run, monkeypatch):
    gathered, asked = [], {}

    def gather(run, **options):
        gathered.append((run, options))
        return shared_files(run, **options)

    def push_files(files, name, **options):
        asked.update(options, files=[file.name for file in files], name=name)
        return "https://hub/commit/1"

    monkeypatch.setattr("vireid.cli.sharing.shared_files", gather)
    monkeypatch.setattr("vireid.cli.sharing.push_files", push_files)
    shutil.rmtree(run / "results", ignore_errors=True)
    said = vireid("push", run, "anna/night", "--license", "mit", "--message", "First").out.splitlines()
    assert said[0] == "sending to anna/night, to be seen by you and whom you let:"
    assert said[-1] == "sent: 4 files are at https://hub/commit/1"
    assert gathered == [(run, {"name": "anna/night", "license": "mit", "include_log": False})]
    files = ["weights.safetensors", "config.json", "sha256.json", "README.md"]
    assert asked == {"files": files, "name": "anna/night", "private": True, "message": "First"}
    vireid("push", run, "anna/night", "--public", "--include-log")
    assert asked["private"] is False
    assert "log.jsonl" in asked["files"]


def test_a_push_that_fails_does_not_say_that_anything_is_there(vireid, run, monkeypatch):
    def refuse(files, name, **options):
        raise VireidError("no network")

    monkeypatch.setattr("vireid.cli.sharing.push_files", refuse)
    said = vireid("push", run, "anna/night")
    assert said.code == 2
    assert said.out.startswith("sending to anna/night")
    assert "sent:" not in said.out
    assert "goes" not in said.out


def test_a_pull_says_what_comes_next_and_flags_reach_it(vireid, tmp_path, monkeypatch):
    asked = {}

    def pull(name, run, **options):
        asked.update(options, run=run, name=name)
        return run

    monkeypatch.setattr("vireid.cli.sharing.pull", pull)
    said = vireid("pull", "anna/night", tmp_path / "a", "--revision", "v1", "--sha256", "ab")
    assert asked == {"name": "anna/night", "run": tmp_path / "a", "revision": "v1", "sha256": "ab"}
    assert said.out.splitlines()[0] == f"anna/night is in {tmp_path / 'a'}; its hashes are right and its weights fit"

    def refuse(*arguments, **options):
        raise VireidError("no such model")

    monkeypatch.setattr("vireid.cli.sharing.pull", refuse)
    assert (vireid("pull", "anna/night", tmp_path / "a").code, vireid("push", "nowhere", "a/b").code) == (2, 2)
    assert "named NAMESPACE/NAME" in vireid("push", tmp_path, "night", "--dry-run").err
