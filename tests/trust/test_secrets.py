"""What stands in the environment of a command to open doors is in nothing that the command says or writes."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "QDRANT_API_KEY", "AWS_SECRET_ACCESS_KEY", "A_PASSWORD"]

# Commands one after the other, as the words of a list; what they end with is theirs. The last breaks, with a trace.
COMMANDS = """
import json, logging, sys
from vireid.cli import doctor
from vireid.cli.main import main
logging.basicConfig(level=logging.DEBUG)
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit:
        pass
def broken(config):
    raise RuntimeError("broken")
doctor.doctor = broken
main(["doctor", ".", "--dataset", "sysu", "--debug"])
"""


@pytest.mark.parametrize("which", ["quick", pytest.param("others", marks=pytest.mark.slow)])
def test_no_secret_of_the_environment_is_said_or_written(
    which: str, tiny_world: Path, tiny_flags: list[str], tmp_path: Path
):
    held = {name: f"{name.lower()}-{secrets.token_hex(12)}" for name in NAMES}
    run, data = "run", ["--root", tiny_world, "--dataset", "sysu"]
    commands = [
        ["train", "mscmnet-small", "--root", tiny_world, "--out", run, *tiny_flags],
        ["evaluate", "--checkpoint", run, *data, "--json", "scores.json"],
        ["index", tiny_world / "cam1", "--checkpoint", run, "--gallery", "gallery"],
        ["gallery", "info", "gallery"],
        ["card", run],
        ["push", run, "anna/model", "--dry-run"],
        ["gallery", "info", "http://127.0.0.1:9/people"],
    ]
    if which == "others":
        commands += [
            ["report", run, "--out", "report"],
            ["export", run, "--to", "onnx", "--no-verify", "--out", "export"],
            ["embed", "--checkpoint", run, *data, "--out", "test.npz"],
            ["reproduce", run],
            ["table", run, "--dataset", "sysu", "--setting", "all-search", "--out", "table.md"],
        ]
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, words],
        cwd=tmp_path,
        env=os.environ | held | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=240,
    )
    assert b"RuntimeError: broken" in done.stderr, done.stderr[-3000:]
    assert (tmp_path / run / "weights.safetensors").is_file(), done.stderr[-3000:]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10
    for secret in held.values():
        assert secret.encode() not in done.stdout + done.stderr
        assert not [file for file in files if secret.encode() in file.read_bytes()]
