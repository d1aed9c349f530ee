"""Start the search service on a free port, add images with a token, ask it over HTTP, and stop it.

The client is Python's standard library, to show the requests as they are; any HTTP client does. Without arguments made
images and an untrained network are used. It needs ``pip install "vireid[service]"``:

    python examples/serve_and_ask.py --run runs/mscmnet --day day1.jpg day2.jpg --night night.jpg
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from vireid.models import build_network, save_network
from vireid.service import Role, add_token
from vireid.synthetic import write_world


@contextmanager
def service(run: Path, gallery: Path, tokens: Path) -> Iterator[str]:
    """The address of a service that lasts as long as the block; SIGTERM lets it finish what it does."""
    command = [sys.executable, "-m", "vireid", "serve", "--create", "--port", "0"]
    command += ["--gallery", str(gallery), "--checkpoint", str(run), "--tokens", str(tokens)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        said = child.stderr.readline()
        address = re.search(r"http://\S+", said)
        try:
            if address is None:
                raise SystemExit(f"the service did not start: {said}{child.stderr.read()}")
            wait_for(f"{address[0]}/health")
            yield address[0]
        finally:
            child.terminate()


def wait_for(url: str, seconds: float = 60) -> None:
    """Come back when the service answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=seconds):
                return
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def post(url: str, token: str, images: list[Path], **fields: str) -> Any:
    """A form with images, as ``curl -F images=@file -F name=value`` sends it."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for image in images:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{image.name}"\r\n\r\n'
        parts.append(head.encode() + image.read_bytes() + b"\r\n")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urlopen(Request(url, b"".join(parts) + f"--{boundary}--\r\n".encode(), headers)) as answer:
        return json.load(answer)


def ask(address: str, operator: str, reader: str, day: list[Path], night: list[Path]) -> None:
    added = post(f"{address}/api/sightings", operator, day, camera="gate", time="2026-01-01T10:00:00+00:00")
    print(f"added {added['added']} images of the gate, {added['known']} known")
    found = post(f"{address}/api/search", reader, night, top="3", cameras="gate")
    print(f"query: {', '.join(query['modality'] for query in found['queries'])}; the nearest of the other modality:")
    for match in found["results"][0]:
        print(f"  {match['score']:.3f} {match['camera']} {match['time']} {match['modality']} {match['key'][:12]}")
    try:
        post(f"{address}/api/sightings", reader, night)
    except HTTPError as refused:
        print(f"a reader may not add: {refused.code}, {json.load(refused)['detail']}")


def make_images(world: Path) -> tuple[list[Path], list[Path]]:
    write_world(world, layout="folder", persons=6, images_per_camera=1, height=64, width=32, seed=0, workers=1)
    return sorted(world.glob("visible/*/1_*.jpg")), sorted(world.glob("infrared/0003/4_*.jpg"))


def make_run(run: Path) -> None:
    """A network as it is before training: its matches are little better than chance."""
    network = build_network(
        identities=2,
        image_size=(64, 32),
        backbone="resnet10t",
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
    )
    save_network(network, run / "weights.safetensors", facts={"checkpoint_rule": "untrained"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run directory of a trained network; an untrained one by default")
    parser.add_argument("--day", type=Path, nargs="+", help="visible images; made ones by default")
    parser.add_argument("--night", type=Path, nargs="+", help="infrared images of one person; made ones by default")
    options = parser.parse_args()
    if not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "python_multipart")):
        print('nothing was done: the service needs more packages; pip install "vireid[service]"')
        return
    with TemporaryDirectory() as scratch:
        day, night = make_images(Path(scratch) / "world")
        run = options.run or Path(scratch) / "run"
        if options.run is None:
            make_run(run)
        tokens = Path(scratch) / "tokens.json"
        operator, reader = add_token(tokens, "anna", Role.OPERATOR), add_token(tokens, "ben", Role.READER)
        with service(run, Path(scratch) / "gallery", tokens) as address:
            ask(address, operator, reader, options.day or day, options.night or night)
        print("stopped")


if __name__ == "__main__":
    main()
