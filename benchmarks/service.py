"""A started service: searches and added images a second, and how long each takes, at 1, 8 and 32 clients; against the
plain way, one image at a time through `Embedder.embed` and `Gallery.search` in one process without HTTP, in turns.

python benchmarks/service.py [--galleries 1000 20000] [--clients 1 8 32] [--rounds 3] [--seconds 1.2]

Prints Markdown. The service runs in a process of its own, as `vireid serve` would: on loopback, with tokens and the
audit log. All clients are in this process; each asks anew as soon as it is answered. The network is that of
mscmnet-small with random weights, the images are crops of a made world, the gallery's features are random.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import torch
from machine import describe, ratio

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import build_network, save_network
from vireid.retrieval import Conditions, Embedder, Gallery, Sighting, open_gallery
from vireid.service import Role, Settings, add_token
from vireid.service.server import IMAGES, UNCOMPACTED, serve
from vireid.synthetic import write_world
from vireid.types import Modality

RECIPE = "mscmnet-small"
CAMERAS = 10
CAMERA = "camera3"
TOP = 20
ADDING_CLIENTS = 8
WARMING = 0.3
BEGAN = re.compile(r"serving gallery .* on (http://\S+)")


@dataclass
class Turns:
    """What one way did: latency of each request by whether it had a filter, and for each round the seconds a request.

    ``server``, ``client`` and ``batches`` are sums over the rounds: CPU seconds, and images and calls of the network.
    """

    latencies: list[tuple[bool, float]] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    server: float = 0.0
    client: float = 0.0
    batches: tuple[float, float] = (0.0, 0.0)

    def milliseconds(self, share: float, filtered: bool | None = None) -> str:
        chosen = [seconds for kind, seconds in self.latencies if filtered is None or kind is filtered]
        return f"{np.percentile(chosen, share) * 1e3:.1f}" if chosen else "-"

    def row(self, name: str, plain: Turns) -> str:
        """A line of a table of searches."""
        count = len(self.latencies)
        server = f"{self.server / count * 1e3:.1f}" if self.server else ""
        batch = f"{self.batches[0] / self.batches[1]:.1f}" if self.batches[1] else ""
        return (
            f"| {name} | {count:,} | {1 / statistics.median(self.each):.0f} | {self.milliseconds(50)} "
            f"| {self.milliseconds(99)} | {self.milliseconds(50, False)} / {self.milliseconds(50, True)} | {batch} "
            f"| {server} | {self.client / count * 1e3:.1f} | {ratio(plain.each, self.each)} |"
        )


HEAD = (
    "| way | requests | a second | ms p50 | ms p99 | ms p50 without / with camera | images a batch | server CPU ms "
    "| client CPU ms | plain takes as long (least - most) |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def made_images(folder: Path) -> list[bytes]:
    """Crops of both modalities, in a mixed order."""
    write_world(folder, layout="sysu", persons=8, images_per_camera=2, height=128, width=64, seed=0, workers=1)
    files = sorted(folder.glob("cam*/*/*.jpg"))
    return [files[place].read_bytes() for place in np.random.default_rng(0).permutation(len(files))]


def fill(folder: Path, embedder: Embedder, count: int) -> None:
    """A gallery of sightings whose images are not on disk."""
    random = np.random.default_rng(1)
    features = random.standard_normal((count, embedder.dimension), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    sightings = [
        Sighting(
            key=hashlib.sha256(str(number).encode()).hexdigest(),
            path=f"camera{number % CAMERAS}/{number}.jpg",
            modality=Modality.INFRARED if number // CAMERAS % 2 else Modality.VISIBLE,
            camera=f"camera{number % CAMERAS}",
            track=f"track {number // 20}",
        )
        for number in range(count)
    ]
    with open_gallery(folder, create=True, model=embedder.model, dimension=embedder.dimension) as gallery:
        for start in range(0, count, 1000):
            gallery.add(sightings[start : start + 1000], features[start : start + 1000], model=embedder.model)


def form(image: bytes, fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request, made before the clock runs."""
    request = httpx.Request("POST", "http://x", files={"images": ("a.jpg", image)}, data=fields)
    return request.read(), {"Content-Type": request.headers["Content-Type"]}


@contextlib.contextmanager
def started(gallery: Path, weights: Path, tokens: Path) -> Iterator[tuple[int, str]]:
    """Process id and address of a service that answers."""
    command = [sys.executable, __file__, "--serve", str(gallery), str(weights), str(tokens)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = BEGAN.search(process.stdout.readline())
        assert found, "the service did not start"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{found[1]}/health").status_code == 200:
                    break
            time.sleep(0.05)
        yield process.pid, found[1]
    finally:
        process.terminate()
        process.wait()


def serve_as_the_command(gallery: Path, weights: Path, tokens: Path) -> None:
    settings = Settings(max_at_once=256, kept_images=gallery / IMAGES, uncompacted=gallery / UNCOMPACTED)
    serve(gallery, weights, tokens=tokens, port=0, settings=settings, announce=partial(print, flush=True))


def busy(process: int) -> float:
    """CPU seconds of all threads of another process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def batches(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Images that the network took, and how often it was called."""
    text = httpx.get(f"{url}/metrics", headers=headers).text
    images, calls = (
        float(re.findall(rf"^vireid_batch_images_{name} (\S+)", text, re.M)[0]) for name in ("sum", "count")
    )
    return images, calls


@contextlib.asynccontextmanager
async def connected(url: str, headers: dict[str, str], count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=60))
            for _ in range(count)
        ]


async def ask(
    url: str,
    headers: dict[str, str],
    route: str,
    bodies: Iterator[tuple[bool, bytes, dict]],
    clients: int,
    length: float,
) -> tuple[list[tuple[bool, float]], float]:
    """Latencies, and the seconds from the first request to the last answer."""
    latencies: list[tuple[bool, float]] = []

    async def one(client: httpx.AsyncClient, until: float) -> None:
        while time.perf_counter() < until:
            filtered, content, kind = next(bodies)
            begin = time.perf_counter()
            answer = await client.post(route, content=content, headers=kind)
            latencies.append((filtered, time.perf_counter() - begin))
            answer.raise_for_status()

    async with connected(url, headers, clients) as connections:
        await asyncio.gather(*(one(client, time.perf_counter() + WARMING) for client in connections))
        latencies.clear()
        begin = time.perf_counter()
        await asyncio.gather(*(one(client, begin + length) for client in connections))
        return latencies, time.perf_counter() - begin


def over_http(
    turns: Turns,
    process: int,
    url: str,
    headers: dict[str, str],
    route: str,
    bodies: Iterator[tuple[bool, bytes, dict]],
    clients: int,
    length: float,
) -> None:
    """One turn of the service. CPU and batches include the short warming, so they are scaled to what is counted."""
    before, server, client = batches(url, headers), busy(process), time.process_time()
    latencies, wall = asyncio.run(ask(url, headers, route, bodies, clients, length))
    client, server, after = time.process_time() - client, busy(process) - server, batches(url, headers)
    images = after[0] - before[0]
    turns.latencies += latencies
    turns.each.append(wall / len(latencies))
    turns.server += server * len(latencies) / images
    turns.client += client * len(latencies) / images
    turns.batches = (turns.batches[0] + images, turns.batches[1] + after[1] - before[1])


def plainly(turns: Turns, call: Callable[[int], bool], length: float) -> None:
    """One turn of the plain way; ``call`` says whether it had a filter."""
    for number in range(5):
        call(number)
    latencies: list[tuple[bool, float]] = []
    begin, client = time.perf_counter(), time.process_time()
    for number in itertools.count():
        start = time.perf_counter()
        filtered = call(number)
        latencies.append((filtered, time.perf_counter() - start))
        if time.perf_counter() - begin > length:
            break
    turns.client += time.process_time() - client
    turns.each.append((time.perf_counter() - begin) / len(latencies))
    turns.latencies += latencies


def plain_search(embedder: Embedder, gallery: Gallery, image: bytes, filtered: bool) -> list[str]:
    """Keys of what the service would find."""
    features, [modality] = embedder.embed([image])
    cameras = (CAMERA,) if filtered else ()
    conditions = Conditions(cameras=cameras, modality=modality.other)
    [matches] = gallery.search(features, model=embedder.model, top=TOP, conditions=conditions)
    return [match.sighting.key for match in matches]


def agreement(url: str, headers: dict[str, str], bodies: list, expected: list[list[str]]) -> float:
    """Share of the plain way's results that the service finds too, asked 32 at a time."""

    async def answers() -> list[httpx.Response]:
        async with connected(url, headers, 32) as clients:
            found: list[httpx.Response] = []
            for start in range(0, len(bodies), 32):
                some = zip(clients, bodies[start : start + 32])
                found += await asyncio.gather(
                    *(client.post("/api/search", content=body, headers=kind) for client, (_, body, kind) in some)
                )
            return found

    shares = []
    for answer, keys in zip(asyncio.run(answers()), expected, strict=True):
        [matches] = answer.raise_for_status().json()["results"]
        shares.append(len({match["key"] for match in matches} & set(keys)) / len(keys))
    return statistics.mean(shares)


def measure(count: int, arguments: argparse.Namespace, weights: Path, images: list[bytes], folder: Path) -> list[str]:
    """Searches of one gallery, then images added to it."""
    embedder = Embedder.from_run(weights)
    served, other = folder / "served", folder / "plain"
    fill(served, embedder, count)
    shutil.copytree(served, other)
    os.sync()  # an added image waits for the disk, and is not to wait for what the copy left to be written
    readers, operators = (
        {"Authorization": f"Bearer {add_token(folder / 'tokens.json', role.value, role)}"}
        for role in (Role.READER, Role.OPERATOR)
    )
    kinds = [bool(number % 2) for number in range(2 * len(images))]
    twice = [image for image in images for _ in range(2)]
    fields = {"top": str(TOP)}
    bodies = [
        (filtered, *form(image, fields | ({"cameras": CAMERA} if filtered else {})))
        for image, filtered in zip(twice, kinds)
    ]
    unique = itertools.count()

    def another() -> bytes:
        number = next(unique)
        return images[number % len(images)] + number.to_bytes(8, "big")

    def added() -> Iterator[tuple[bool, bytes, dict]]:
        while True:
            yield False, *form(another(), {"camera": CAMERA})

    plain, adding_plain, adding = Turns(), Turns(), Turns()
    ours = {clients: Turns() for clients in arguments.clients}
    with (
        started(served, weights, folder / "tokens.json") as (process, url),
        open_gallery(other, model=embedder.model, dimension=embedder.dimension) as gallery,
    ):

        def search(number: int) -> bool:
            place = number % len(twice)
            plain_search(embedder, gallery, twice[place], kinds[place])
            return kinds[place]

        def add(number: int) -> bool:
            image = another()
            features, [modality] = embedder.embed([image])
            key = hashlib.sha256(image).hexdigest()
            sighting = Sighting(key=key, path=f"{key}.jpg", modality=modality, camera=CAMERA)
            gallery.add([sighting], features, model=embedder.model)
            return False

        checked = list(zip(twice, kinds))[:64]
        expected = [plain_search(embedder, gallery, image, filtered) for image, filtered in checked]
        same = agreement(url, readers, bodies[: len(checked)], expected)
        for _ in range(arguments.rounds):
            plainly(plain, search, arguments.seconds)
            for clients, turns in ours.items():
                asked = itertools.cycle(bodies)
                over_http(turns, process, url, readers, "/api/search", asked, clients, arguments.seconds)
        for _ in range(arguments.rounds):
            plainly(adding_plain, add, arguments.seconds / 2)
            over_http(adding, process, url, operators, "/api/sightings", added(), ADDING_CLIENTS, arguments.seconds / 2)
    lines = [
        f"\n## {count:,} sightings of {embedder.dimension} numbers\n",
        f"Of what the plain way finds for {len(checked)} searches, the service, asked 32 at a time, "
        f"finds {same:.2%}.\n",
        HEAD,
        plain.row("plain search, one at a time", plain),
        *(turns.row(f"search, {clients} client{'s' * (clients > 1)}", plain) for clients, turns in ours.items()),
    ]
    lines += [
        adding_plain.row("plain add, one at a time", adding_plain),
        adding.row(f"add, {ADDING_CLIENTS} clients", adding_plain),
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galleries", type=int, nargs="+", default=[1000, 20_000], help="sightings in each")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=3, help="of turns")
    parser.add_argument("--seconds", type=float, default=1.2, help="of a turn of searches; adding takes half of it")
    parser.add_argument("--serve", type=Path, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_as_the_command(*arguments.serve)
        return
    print("# The service")
    with tempfile.TemporaryDirectory() as place:
        weights = Path(place) / "random.safetensors"
        recipe = dataclasses.replace(RECIPES[RECIPE].network, weights="none")
        network = build_network(**network_arguments(recipe, identities=10, seed=0)).eval()
        save_network(network, weights, facts={})
        images = made_images(Path(place) / "world")
        for count in arguments.galleries:
            folder = Path(place) / str(count)
            folder.mkdir()
            print("\n".join(measure(count, arguments, weights, images, folder)), flush=True)
    given = " ".join(["python benchmarks/service.py", *sys.argv[1:]])
    print("\n" + describe(given, "fastapi", "uvicorn", "httpx", "qdrant-edge-py"))
    print(f"- {torch.get_num_threads()} threads for each network, {arguments.rounds} rounds of {arguments.seconds:g} s")


if __name__ == "__main__":
    main()
