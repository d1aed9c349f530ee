"""Nothing leaves the machine unasked: no network at import and in the commands, by no library beneath."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vireid.synthetic import write_world

# Ends the process at the first look at a network, so that nobody can catch it. Sockets that are files are none, and
# urllib3 finds out at import whether there is IPv6 by taking a port of the machine itself.
FORBIDDEN = """
import os, sys
def forbid(event, arguments):
    if event not in (
        "socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo",
        "socket.gethostbyname", "socket.gethostbyaddr", "http.client.connect", "urllib.Request",
    ):
        return
    address = arguments[1] if event in ("socket.connect", "socket.sendto", "socket.bind") else None
    if isinstance(address, (bytes, str)) or event == "socket.bind" and address[:2] == ("::1", 0):
        return
    import traceback
    sys.stderr.write(f"NETWORK {event} {arguments[1:]}\\n")
    traceback.print_stack()
    sys.stderr.flush()
    os._exit(77)
sys.addaudithook(forbid)
"""

MODULES = """
import importlib, pkgutil, vireid
for module in pkgutil.walk_packages(vireid.__path__, "vireid."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""

COMMANDS = """
import json, sys
from vireid.cli.main import main
for arguments in json.loads(sys.argv[1]):
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 0, arguments
"""

# Nobody is left to send later, and nothing that sends was loaded.
NOTHING_LEFT = """
import sys, threading
names = sorted(thread.name for thread in threading.enumerate())
assert not [name for name in names if "telemetry" in name.lower() or "analytics" in name.lower()], names
senders = {"wandb", "sentry_sdk", "posthog", "segment", "mixpanel", "neptune", "opentelemetry.sdk"}
assert not senders & set(sys.modules), senders & set(sys.modules)
print("silent")
"""


def run_silently(code: str, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_HUB", "DO_NOT"))}
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN + code + NOTHING_LEFT, *arguments],
        capture_output=True,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("silent\n")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import urllib.request\ntry: urllib.request.urlopen('http://localhost:9')\nexcept Exception: pass",
    ],
)
def test_a_look_at_the_network_is_seen(code: str):
    done = subprocess.run([sys.executable, "-c", FORBIDDEN + code], capture_output=True, text=True)
    assert done.returncode == 77
    assert "NETWORK" in done.stderr


def test_no_module_asks_the_network_when_it_is_imported():
    run_silently(MODULES)


@pytest.mark.parametrize("which", ["quick", pytest.param("others", marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_no_command_asks_the_network_unless_it_is_for_that(
    which: str, tiny_world: Path, tiny_flags: list[str], tiny_run: Path, tmp_path: Path
):
    run, gallery = tmp_path / "run", tmp_path / "gallery"
    picture = min((tiny_world / "cam1").glob("*/*.jpg"))
    data = ["--root", tiny_world, "--dataset", "sysu"]
    commands = {
        "quick": [
            ["--help"],
            ["train", "mscmnet-small", "--root", tiny_world, "--out", run, *tiny_flags, "--network.weights", "none"],
            ["evaluate", "--checkpoint", run, *data],
            ["search", "--checkpoint", run, "--queries", picture, "--gallery", tiny_world / "cam3"],
            ["index", tiny_world / "cam1", "--checkpoint", run, "--gallery", gallery],
        ],
        "others": [
            ["synth", tmp_path / "world", "--persons", 4, "--images-per-camera", 1, "--height", 64, "--width", 32],
            ["doctor", tiny_world, "--dataset", "sysu"],
            ["embed", "--checkpoint", tiny_run, *data, "--out", tmp_path / "test.npz"],
            ["export", tiny_run, "--to", "onnx", "--no-verify", "--out", tmp_path / "export"],
            ["report", tiny_run, "--out", tmp_path / "report"],
        ],
    }
    run_silently(COMMANDS, json.dumps([[str(word) for word in words] for words in commands[which]]))


# Reads a table as manifests are read, and a command before it.
TRACED = """
import sys, pyarrow as pa
from vireid.cli.main import main
if sys.argv[1] == "command":
    assert main(["doctor", sys.argv[2], "--dataset", "folder"]) == 0
from pyarrow import parquet
parquet.write_table(pa.table({"person": ["somebody"]}), sys.argv[2] + "/table.parquet")
parquet.read_table(sys.argv[2] + "/table.parquet")
"""


def test_pyarrow_traces_nothing_even_where_the_environment_asks_for_it(tmp_path: Path):
    root = tmp_path / "world"
    write_world(root, layout="folder", persons=4, images_per_camera=1, height=64, width=32, seed=0, workers=1)
    said = {}
    for what in ("library alone", "command"):
        done = subprocess.run(
            [sys.executable, "-c", TRACED, what, str(root)],
            capture_output=True,
            text=True,
            env=os.environ | {"ARROW_TRACING_BACKEND": "ostream", "OMP_NUM_THREADS": "1"},
            timeout=200,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said[what] = "span_id" in done.stdout + done.stderr
    assert not said["command"]
    if not said["library alone"]:
        pytest.skip("this PyArrow was built without OpenTelemetry")
