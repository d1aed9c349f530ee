"""Train two recipes on the same seeds, score them on the same trials, and say mean, spread and difference.

Training and scoring are the commands of the shell, called from Python; the table of a command is for people, its JSON
for programs.
Without arguments a small made world and one short epoch show how it goes. On the real data set:

    python examples/train_and_compare.py --root /data/SYSU-MM01 --recipes caj mscmnet --seeds 0 1 2 --out runs/compare
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from vireid.cli.main import main as vireid
from vireid.synthetic import write_world


def rank1_of(recipe: str, seed: int, root: Path, out: Path, flags: list[str]) -> float:
    """Rank-1 of one run, in percent; what is finished already is not trained again."""
    run, result = out / f"{recipe}-{seed}", out / f"{recipe}-{seed}.json"
    resume = ["--resume"] if run.exists() else []
    training = ["train", recipe, "--root", str(root), "--out", str(run), "--seed", str(seed), *flags, *resume]
    scoring = ["evaluate", "--checkpoint", str(run), "--dataset", "sysu", "--root", str(root), "--json", str(result)]
    for command in (training, scoring):
        if code := vireid(command):
            raise SystemExit(code)
    return 100 * json.loads(result.read_text(encoding="utf-8"))["mean"]["cmc"][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder in the layout of SYSU-MM01; a made world by default")
    parser.add_argument("--out", type=Path, help="folder of the runs; forgotten at the end by default")
    parser.add_argument("--recipes", nargs=2, default=("baseline-small", "mscmnet-small"))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1))
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root, out = options.root or Path(scratch) / "world", options.out or Path(scratch) / "runs"
        flags: list[str] = []
        if options.root is None:
            write_world(root, layout="sysu", persons=24, images_per_camera=1, height=64, width=32, seed=0, workers=1)
            flags = ["--epochs", "1", "--network.height", "64", "--network.width", "32", "--network.mimb-heads", "2"]
        scores = {
            recipe: [rank1_of(recipe, seed, root, out, flags) for seed in options.seeds] for recipe in options.recipes
        }
    for recipe, rates in scores.items():
        spread = f" +- {statistics.stdev(rates):.2f}" if len(rates) > 1 else ""
        each = ", ".join(f"{rate:.2f}" for rate in rates)
        print(f"{recipe}: Rank-1 {statistics.mean(rates):.2f}{spread} over seeds {list(options.seeds)} ({each})")
    first, second = options.recipes
    differences = [b - a for a, b in zip(scores[first], scores[second])]
    ahead = sum(difference > 0 for difference in differences)
    print(
        f"{second} minus {first}: {statistics.mean(differences):+.2f}, ahead on {ahead} of {len(differences)} seeds; "
        "a difference smaller than the spread is noise"
    )


if __name__ == "__main__":
    main()
