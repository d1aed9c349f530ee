"""How many small faults in losses, metrics, protocols and the sampler the tests notice.

python benchmarks/mutation.py [--area losses] [--sample 100] [--again FILE] [--out FILE]

Each mutant of `mutants.py` is put into a copy of the sources, and the tests that belong to the file run on it until one
fails: those of its room, and its own doctests. A mutant is killed if a test fails or the time for it is over. Torch is
imported once; each mutant is tried in a fork, so that it costs the library's import and the tests. Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
METRICS = (
    *("metrics", "match_ranks", "sorted_ranks", "per_query", "measure", "real_numbers", "order", "trial_gallery"),
    *("similarity", "rerank", "evaluation"),
)
PROTOCOLS = ("protocol", "trials", "rules")
AREAS = {
    "losses": ("tests/losses", sorted(f"losses/{file.name}" for file in (ROOT / "src/vireid/losses").glob("[!_]*.py"))),
    "metrics": ("tests/evaluation", [f"evaluation/{name}.py" for name in METRICS]),
    "protocols": ("tests/evaluation", [f"evaluation/{name}.py" for name in PROTOCOLS]),
    "sampler": ("tests/data/test_sampler.py", ["data/sampler.py"]),
}
MEMORY = 8 << 30
LONGEST_TEST_FIRST_RUN = 300
TIMES_AS_LONG = 4
"""A mutant may take this many times as long as the tests without one, and ten seconds more."""


class Watch:
    """A pytest plugin: which test failed first, how long each took, and which come first."""

    def __init__(self, seconds: dict[str, float], killers: list[str]) -> None:
        self.seconds, self.killers, self.failed = seconds, killers, ""
        self.taken: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Those that found a fault in this file before, then the short ones."""
        place = {name: number for number, name in enumerate(self.killers)}
        items.sort(key=lambda item: (place.get(item.nodeid, len(place)), self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_logreport(self, report) -> None:
        self.taken[report.nodeid] = self.taken.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


def in_fork(tests: list[str], *, seconds: dict[str, float], killers: list[str], limit: float, memory: bool) -> dict:
    """Run tests in a fork of this process until one fails: its name, or how else it ended."""
    read, write = os.pipe()
    begin = time.monotonic()
    child = os.fork()
    if not child:
        os.close(read)
        os.setpgrp()
        code = 1
        try:
            import hypothesis
            import pytest

            # A failing example is enough: the time to make it smaller would go by for every mutant.
            phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
            hypothesis.settings.register_profile("mutation", phases=phases, database=None)
            hypothesis.settings.load_profile("mutation")
            if memory:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            watch = Watch(seconds, killers)
            options = ["-x", "-m", "not slow", "-p", "no:cacheprovider", "--tb=no", "--hypothesis-seed=0"]
            # A loop without an end fails the test that it is in, long before the time of all is over.
            options.append(f"--timeout={20 + 4 * max(seconds.values(), default=60):.0f}")
            code = int(pytest.main([*options, *tests], plugins=[watch]))
            modules = sorted(name for name in sys.modules if not name.startswith(("vireid", "test", "conftest")))
            answer = {"code": code, "failed": watch.failed, "taken": watch.taken, "modules": modules}
            with os.fdopen(write, "w") as pipe:
                json.dump(answer, pipe)
        finally:
            os._exit(code)
    os.close(write)
    text, over = b"", False
    previous = signal.signal(signal.SIGALRM, _time_is_over)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        while part := os.read(read, 1 << 16):
            text += part
    except TimeoutError:
        over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        os.close(read)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    answer = json.loads(text) if text and not over else {"code": 1, "failed": "time" if over else "crash"}
    return answer | {"wall": time.monotonic() - begin}


def _time_is_over(*_: object) -> None:
    raise TimeoutError


def import_all(modules: Iterable[str]) -> None:
    """Import what the tests import beside the library, once for all forks."""
    for name in modules:
        with contextlib.suppress(Exception):
            __import__(name)


def write(file: Path, source: str, number: int) -> None:
    """A file with a time of its own, so that no compiled one is taken for it."""
    file.write_text(source)
    os.utime(file, (number, number))


def try_area(area: str, copy: Path, arguments: argparse.Namespace, out, wanted: set[str] | None) -> list[dict]:
    """Try the mutants of one area; one line each to ``out``."""
    tests, files = AREAS[area]
    sources = [f"src/vireid/{file}" for file in files]
    # Twice: the first also imports torch, which the forks after it find imported.
    base = in_fork([tests, *sources], seconds={}, killers=[], limit=LONGEST_TEST_FIRST_RUN, memory=False)
    if base["code"]:
        sys.exit(f"the tests of {area} fail without a mutant: {base['failed']}")
    import_all(base["modules"])
    base = in_fork([tests, *sources], seconds=base["taken"], killers=[], limit=LONGEST_TEST_FIRST_RUN, memory=True)
    if base["code"]:
        sys.exit(f"the tests of {area} fail without a mutant: {base['failed']}")
    limit = TIMES_AS_LONG * base["wall"] + 10
    print(f"{area}: {len(base['taken'])} tests in {base['wall']:.1f} s", file=sys.stderr, flush=True)

    every = [(file, mutant) for file in files for mutant in mutants((ROOT / "src/vireid" / file).read_text())]
    chosen = every
    if wanted is not None:
        chosen = [(file, mutant) for file, mutant in every if name_of(file, mutant) in wanted]
    elif arguments.sample and arguments.sample < len(every):
        # In the order of the draw: a run that is broken off has tried a fair sample, too.
        chosen = random.Random(arguments.seed).sample(every, arguments.sample)
    killers: dict[str, list[str]] = {}
    lines = []
    for number, (file, mutant) in enumerate(chosen, start=1):
        path = copy / "src/vireid" / file
        before = path.read_text()
        write(path, mutant.source, 1_000_000_000 + number)
        own = killers.setdefault(file, [])
        try:
            told = in_fork([tests, f"src/vireid/{file}"], seconds=base["taken"], killers=own, limit=limit, memory=True)
        finally:
            write(path, before, 1_000_000_000)
        if told["failed"] in own:
            own.remove(told["failed"])
        if "::" in told["failed"]:
            own.insert(0, told["failed"])
        line = {
            "area": area, "file": file, "name": name_of(file, mutant), "line": mutant.line, "before": mutant.before,
            "after": mutant.after, "killed": bool(told["code"]), "by": told["failed"], "of": len(every),
            "seconds": round(told["wall"], 2),
        }  # fmt: skip
        lines.append(line)
        out.write(json.dumps(line) + "\n")
        out.flush()
        if number % 25 == 0:
            survived = sum(not one["killed"] for one in lines)
            print(f"{area}: {number} of {len(chosen)}, {survived} survived", file=sys.stderr, flush=True)
    return lines


def name_of(file: str, mutant: Mutant) -> str:
    """A name that stays while the file stays."""
    return f"{file}:{hashlib.sha256(mutant.source.encode()).hexdigest()[:12]}"


def interval(killed: int, tried: int, of: int) -> str:
    """Wilson's 95 % interval of the share among all, for a sample drawn without replacement."""
    if tried == of:
        return "all tried"
    tried_as = tried * (of - 1) / (of - tried)  # a sample of a small whole says more
    share, z = killed / tried, 1.96
    middle = (share + z * z / (2 * tried_as)) / (1 + z * z / tried_as)
    half = z / (1 + z * z / tried_as) * math.sqrt(share * (1 - share) / tried_as + z * z / (4 * tried_as**2))
    return f"{100 * (middle - half):.1f} - {100 * (middle + half):.1f}"


def row(name: str, lines: list[dict], of: int, *, last: str) -> str:
    killed = sum(line["killed"] for line in lines)
    over = sum(line["by"] == "time" for line in lines)
    return (
        f"| {name} | {of} | {len(lines)} | {killed} | {over} | {len(lines) - killed} | "
        f"{100 * killed / max(1, len(lines)):.1f} | {last} |"
    )


def report(lines: list[dict]) -> str:
    """One row an area, one a file, and each survivor."""
    text = [
        "| area | mutants | tried | killed | of them by time | survived | killed, % | 95 % interval |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for area in AREAS:
        some = [line for line in lines if line["area"] == area]
        if some:
            killed = sum(line["killed"] for line in some)
            text.append(row(area, some, some[0]["of"], last=interval(killed, len(some), some[0]["of"])))
    text += ["", "| file | mutants | tried | killed | of them by time | survived | killed, % | area |"]
    text.append("|---|---|---|---|---|---|---|---|")
    for area, (_, files) in AREAS.items():
        for file in files:
            some = [line for line in lines if line["file"] == file]
            if some:
                of = len(mutants((ROOT / "src/vireid" / file).read_text()))
                text.append(row(f"`{file}`", some, of, last=area))
    text += ["", "Survivors:", ""]
    for line in sorted(lines, key=lambda line: (list(AREAS).index(line["area"]), line["file"], line["line"])):
        if not line["killed"]:
            before, after = (" ".join(line[key].split()) for key in ("before", "after"))
            text.append(f"- `{line['file']}` line {line['line']}: `{before}` became `{after}`")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", choices=AREAS, action="append", help="only this one; may be given again")
    parser.add_argument(
        "--sample", type=int, default=0, help="at most so many mutants an area, drawn at random; 0: all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument(
        "--again", type=Path, help="an --out file: try its survivors once more, and take the rest as told"
    )
    parser.add_argument("--out", type=Path, help="where to keep a line of JSON for each mutant as it is tried")
    arguments = parser.parse_args()
    out_file = arguments.out and arguments.out.resolve()
    wanted, told = None, []
    if arguments.again:
        told = [json.loads(line) for line in arguments.again.read_text().splitlines()]
        wanted = {line["name"] for line in told if not line["killed"]}
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.dont_write_bytecode = True
    areas = arguments.area or list(AREAS)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "copy"
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy / "src")
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(directory) / "hypothesis")
        sys.path.insert(0, str(copy / "src"))
        lines: list[dict] = []
        with (out_file or Path(directory) / "lines.json").open("w") as out:
            for area in areas:
                lines += try_area(area, copy, arguments, out, wanted)
        from machine import describe  # imports the library, so after the last fork

        print(describe(f"python benchmarks/mutation.py {' '.join(sys.argv[1:])}".strip(), "pytest", "hypothesis"))
    tried = {line["name"] for line in lines}
    print()
    print(report([line for line in told if line["name"] not in tried] + lines))


if __name__ == "__main__":
    main()
