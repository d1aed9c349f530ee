"""``vireid embed`` and ``vireid evaluate`` in two processes of one machine (gloo), as srun starts them."""

import json
import shutil

import numpy as np

from vireid.types import Embeddings


def test_two_processes_embed_and_score_what_one_does(jobs, vireid, tiny_world, tiny_run, tmp_path):
    data = ("--checkpoint", tiny_run, "--root", tiny_world, "--dataset", "sysu", "--accelerator", "cpu")
    embed = ("embed", *data, "--batch-size", "4", "--cache", tmp_path / "pixels", "--out")
    evaluate = ("evaluate", *data, "--json")
    codes, (first, second) = jobs.run_together([*embed, tmp_path / "two.npz", "then", *evaluate, tmp_path / "two.json"])
    assert codes == [0, 0], first.said + second.said
    assert first.out.count("42 embeddings of 32 numbers") == 1
    assert first.out.count("mean of 10 trials") == 1
    assert "embedding, part 1 of 2" in first.said
    # 28 visible and 14 infrared images in batches of 4: the first process has every other of 7 + 4.
    assert "22/22" in first.said
    assert second.out == ""

    assert vireid(*embed, tmp_path / "one.npz").code == 0
    one, two = (Embeddings.load(tmp_path / name) for name in ("one.npz", "two.npz"))
    assert two.paths.tolist() == one.paths.tolist()
    assert two.maker == one.maker
    np.testing.assert_allclose(two.features, one.features, rtol=0, atol=1e-6)
    assert vireid(*evaluate, tmp_path / "one.json").code == 0
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "two.json"))
    assert two == one


def test_a_fault_of_the_second_process_ends_both(jobs, tiny_world, tiny_run, tmp_path):
    root = tmp_path / "cam1"
    shutil.copytree(tiny_world / "cam1", root)
    bad = max(root.glob("*/*.jpg"))
    bad.write_bytes(bad.read_bytes()[:250])
    flags = ("--root", root, "--modality", "visible", "--batch-size", "12", "--accelerator", "cpu")
    codes, said = jobs.run_together(["embed", "--checkpoint", tiny_run, *flags, "--out", tmp_path / "f.npz"])
    assert 0 not in codes
    assert f"vireid: error: {bad} cannot be decoded" in "".join(job.said for job in said)
    assert not any("a fault of vireid" in job.said for job in said)
    assert not (tmp_path / "f.npz").exists()
