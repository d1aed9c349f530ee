"""What a training step costs: `python benchmarks/training.py` prints Markdown tables.

python benchmarks/training.py [--cases small half full ...] [--rounds N] [--settings] [--where] [--compile]

The step of `vireid.training.fit` against a plain one of the same network: a whole ResNet for each stem, of which the
first layers run, contiguous NCHW float32, attention with its matrices written out, losses in Python loops, an
optimiser that goes parameter by parameter, and each loss read with .item() at once. Both take views that are ready.
Before anything is timed, both must put out the same features and losses from the same weights.

--where tells where the time of our step goes; --settings turns single choices on and off.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
import torch
from machine import describe, ratio, timed, wait_for_gpu
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import Network, build_network
from vireid.models.alb import ALB
from vireid.models.nonlocal_block import NonLocalBlock
from vireid.training import Precision, Targets, join_processes, make_criterion, make_optimizer

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN, OURS = "plain, float32", "ours, float32"
PRECISIONS: tuple[Precision, ...] = ("32", "bf16")
SECONDS = "s" if DEVICE.type == "cuda" else "CPU s"
FORWARD, BACKWARD = "forward", "backward"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and a batch: ``identities`` x ``images`` of each modality, each image in two views."""

    what: str
    recipe: RecipeConfig
    persons: int

    @property
    def views(self) -> int:
        return 4 * self.recipe.identities * self.recipe.images


def _case(
    what: str,
    name: str,
    *,
    persons: int,
    identities: int,
    images: int,
    size: tuple[int, int] | None = None,
    heads: int | None = None,
) -> Case:
    recipe = RECIPES[name]
    network = replace(recipe.network, weights="none")
    if size is not None:
        network = replace(network, height=size[0], width=size[1])
    if heads is not None:
        network = replace(network, mimb_heads=heads)
    return Case(
        what=what, recipe=replace(recipe, network=network, identities=identities, images=images), persons=persons
    )


CASES = {
    "small": _case("mscmnet-small, 96 x 48, P 4, K 4", "mscmnet-small", persons=240, identities=4, images=4),
    "half": _case(
        "mscmnet at 192 x 96, P 2, K 2", "mscmnet", persons=395, identities=2, images=2, size=(192, 96), heads=8
    ),
    "full": _case("mscmnet, 384 x 192, P 2, K 1", "mscmnet", persons=395, identities=2, images=1),
    "published": _case("mscmnet, 384 x 192, P 6, K 4", "mscmnet", persons=395, identities=6, images=4),
}


class PlainNonLocal(nn.Module):
    """Every position looks at every other through the N x N matrix."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.project = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        theta = self.theta(x).view(batch, -1, height * width).permute(0, 2, 1)
        phi = self.phi(x).view(batch, -1, height * width)
        g = self.g(x).view(batch, -1, height * width).permute(0, 2, 1)
        relation = torch.matmul(theta, phi) / (height * width)
        y = torch.matmul(relation, g).permute(0, 2, 1).contiguous()
        return x + self.norm(self.project(y.view(batch, -1, height, width)))


class PlainAttention(nn.Module):
    """Multi-head attention with its softmax matrices written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, tokens, width = query.shape
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases)
        )
        attention = torch.softmax(torch.matmul(q, k.transpose(2, 3)) / (width // self.heads) ** 0.5, dim=3)
        return self.out_proj(torch.matmul(attention, v).transpose(1, 2).reshape(batch, tokens, width))


class PlainALB(nn.Module):
    """One block of MIMB in the paper's form (eq. 4 to 7)."""

    def __init__(self, ours: ALB) -> None:
        super().__init__()
        deep, shallow = ours.reduce_deep, ours.reduce_shallow
        assert shallow is not None
        width = ours.norm_deep.normalized_shape[0]
        self.mix = ours.mix
        self.reduce_deep = nn.Conv2d(deep.in_channels, deep.out_channels, 1)
        self.norm_deep = nn.LayerNorm(width)
        stride = shallow.stride[0]
        kernel, padding = (stride + 2, stride // 2) if stride > 1 else (1, 0)
        self.reduce_shallow = nn.Conv2d(shallow.in_channels, shallow.out_channels, kernel, stride, padding)
        self.norm_shallow = nn.LayerNorm(width)
        self.attention = PlainAttention(width, ours.attention.num_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))
        self.expand = nn.Conv2d(deep.out_channels, deep.in_channels, 1)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        f = self.norm_deep(self.reduce_deep(deep).flatten(2))
        g = self.norm_shallow(self.reduce_shallow(shallow).flatten(2))
        v = self.mix * g + (1 - self.mix) * f
        mined = v + self.attention(g, g, v)
        hidden = self.mlp[0](self.norm_mlp(mined))
        mined = mined + self.mlp[2](hidden * torch.sigmoid(1.702 * hidden))
        return deep + self.expand(mined.view(*mined.shape[:2], *deep.shape[2:]))


class PlainNetwork(nn.Module):
    """The network as published codes build it, with the weights of one of ours.

    Each stem is a whole ResNet of which the first layers run, and the trunk is one more, of which the stages run.
    """

    def __init__(self, ours: Network) -> None:
        super().__init__()
        name, options = ours.arguments["backbone"], ours.arguments["backbone_options"]
        self.wholes = nn.ModuleList(timm.create_model(name, num_classes=0, **options) for _ in ours.stems)
        for whole, stem in zip(self.wholes, ours.stems.values(), strict=True):
            whole.load_state_dict(stem.state_dict(), strict=False)
        self.trunk = timm.create_model(name, num_classes=0, **options)
        for module in self.trunk.get_submodule("layer4").modules():
            if isinstance(module, nn.Conv2d | nn.AvgPool2d) and module.stride in (2, (2, 2)):
                module.stride = (1, 1)
                if isinstance(module, nn.AvgPool2d):
                    module.kernel_size = (1, 1)
        self.nonlocal_blocks = nn.ModuleDict()
        for number, stage in enumerate(ours.stages, start=1):
            assert isinstance(stage, nn.Sequential)
            for index, block in enumerate(stage.children()):
                place = f"layer{number}.{index}"
                added = block[1] if isinstance(block, nn.Sequential) else None
                if isinstance(block, nn.Sequential) and isinstance(added, NonLocalBlock):
                    block = block[0]
                    plain = PlainNonLocal(added.theta.in_channels, added.theta.out_channels)
                    plain.load_state_dict(added.state_dict())
                    self.nonlocal_blocks[place.replace(".", "_")] = plain
                self.trunk.get_submodule(place).load_state_dict(block.state_dict())
        assert ours.mimb is not None
        self.mimb = nn.ModuleList(PlainALB(block) for block in ours.mimb.blocks if isinstance(block, ALB))
        self.mimb.load_state_dict(ours.mimb.blocks.state_dict())
        self.head = nn.ModuleDict(
            {
                "neck": nn.BatchNorm1d(ours.dimension),
                "classifier": nn.Linear(ours.dimension, ours.head.classifier.out_features, bias=False),
            }
        )
        self.head.load_state_dict(ours.head.state_dict())
        self.head["neck"].bias.requires_grad_(False)

    def forward(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        maps = []
        for whole, view in zip(self.wholes, views, strict=True):
            for name in ("conv1", "bn1", "act1", "maxpool"):
                view = whole.get_submodule(name)(view)
            maps.append(view)
        levels = [torch.cat(maps, 0)]
        for number in (1, 2, 3):
            levels.append(self._stage(number, levels[-1]))
        deep = levels[-1]
        for block, shallow in zip(self.mimb, levels):
            deep = block(deep, shallow)
        deep = self._stage(4, deep)
        pooled = (torch.mean(deep.flatten(2) ** 3.0, dim=-1) + 1e-12) ** (1 / 3.0)
        return pooled, self.head["classifier"](self.head["neck"](pooled))

    def _stage(self, number: int, x: Tensor) -> Tensor:
        for index, block in enumerate(self.trunk.get_submodule(f"layer{number}").children()):
            x = block(x)
            place = f"layer{number}_{index}"
            if place in self.nonlocal_blocks:
                x = self.nonlocal_blocks[place](x)
        return x


def plain_losses(
    features: Tensor, logits: Tensor, labels: Tensor, *, margin: float = 0.7, alpha: float = 0.05
) -> dict[str, Tensor]:
    """The identity loss and the paper's quadruple-centre loss, identity by identity."""
    streams, images = features.chunk(4), labels.chunk(4)[0]
    persons = images.unique()
    members = {person.item(): [stream[images == person] for stream in streams] for person in persons}
    centers = {person: torch.cat(rows).mean(0) for person, rows in members.items()}
    quadruple, dual, negative = [], [], []
    for person, rows in members.items():
        visible, infrared = torch.cat(rows[:2]), torch.cat(rows[2:])
        for row in visible:
            quadruple.append((row - rows[2].mean(0)).norm())
            dual.append((row - infrared.mean(0)).norm())
        for row in infrared:
            quadruple.append((row - rows[0].mean(0)).norm())
            dual.append((row - visible.mean(0)).norm())
        for other, center in centers.items():
            if other != person:
                distances = (torch.cat([visible, infrared]) - center).norm(dim=1)
                negative.append(torch.clamp(margin - distances, min=0).mean())
    metric = alpha * torch.stack(quadruple).mean() + (1 - alpha) * torch.stack(dual).mean()
    if negative:
        metric = metric + torch.stack(negative).mean()
    return {"identity": nn.CrossEntropyLoss()(logits, labels), "quadruple_center": metric}


def our_network(case: Case) -> Network:
    """Our network, no branch of it silent: blocks that start at zero would hide what they compute."""
    network = build_network(**network_arguments(case.recipe.network, identities=case.persons, seed=0))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
            nn.init.constant_(module.weight, 0.2)
    return network


def made_batch(case: Case) -> tuple[list[Tensor], Tensor]:
    """Views as a training step gets them, NCHW, and the labels of their rows."""
    random = torch.Generator().manual_seed(0)
    recipe = case.recipe
    shape = (recipe.identities * recipe.images, 3, recipe.network.height, recipe.network.width)
    views = [torch.randn(shape, generator=random).to(DEVICE) for _ in range(4)]
    labels = torch.arange(recipe.identities).repeat_interleave(recipe.images).to(DEVICE)
    return views, labels.repeat(4)


@dataclass(frozen=True)
class Training:
    """What is timed: one step, which gives its loss terms, and the network that it trains."""

    step: Callable[[], dict[str, Tensor]]
    network: nn.Module


def plain_training(case: Case, ours: Network) -> Training:
    """Steps of the plain implementation."""
    network = PlainNetwork(ours).to(DEVICE).train()
    views, labels = made_batch(case)
    settings = case.recipe.optimizer
    head = {id(parameter) for parameter in network.head.parameters()}
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in network.parameters() if id(p) not in head], "lr": settings.learning_rate},
            {"params": list(network.head.parameters()), "lr": settings.head_learning_rate},
        ],
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.nesterov,
        foreach=False,
        fused=False,
    )

    def step() -> dict[str, Tensor]:
        features, logits = network(views)
        terms = plain_losses(features, logits, labels)
        loss = terms["identity"] + terms["quadruple_center"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for term in (loss, *terms.values()):
            term.item()
        return {name: term.detach() for name, term in terms.items()}

    return Training(step, network)


def our_training(
    case: Case,
    network: Network,
    *,
    precision: Precision = "32",
    layout: torch.memory_format = torch.channels_last,
    compiled: bool = False,
    set_to_none: bool = True,
    **optimizer_choices: bool,
) -> Training:
    """The steps that `fit` takes, line by line, with views that are ready."""
    fabric = join_processes("auto", precision)
    settings = dataclasses.asdict(case.recipe.optimizer)
    del settings["warmup_epochs"], settings["milestones"]
    optimizer = make_optimizer(network, **settings)
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"]
        group.update(optimizer_choices)
    network.to(memory_format=layout).train()
    trained: Any = torch.compile(network) if compiled else network
    module, optimizer = fabric.setup(trained, optimizer)
    criterion = make_criterion(streams=network.streams, **dataclasses.asdict(case.recipe.loss))
    views, labels = made_batch(case)

    def step() -> dict[str, Tensor]:
        inputs = [view.contiguous(memory_format=layout) for view in views]
        terms = criterion(module(inputs), Targets(labels, None))
        fabric.backward(torch.stack(list(terms.values())).sum())
        optimizer.step()
        optimizer.zero_grad(set_to_none=set_to_none)
        return {name: term.detach() for name, term in terms.items()}

    return Training(step, network)


def check_equal(case: Case) -> str:
    """Refuse to compare what is not the same: features and logits to 1e-4, losses to 1e-5, and after a step."""
    ours = our_network(case).to(DEVICE).train()
    plain = PlainNetwork(ours).to(DEVICE).train()
    views, labels = made_batch(case)
    criterion = make_criterion(streams=ours.streams, **dataclasses.asdict(case.recipe.loss))
    with torch.no_grad():
        output, (features, logits) = ours(views), plain(views)
        expected, terms = criterion(output, Targets(labels, None)), plain_losses(features, logits, labels)
    torch.testing.assert_close(features, output.features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits, output.logits, rtol=1e-4, atol=1e-4)
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name], rtol=1e-5, atol=1e-5)
    apart = (features - output.features).abs().max().item() / output.features.abs().max().item()
    both = plain_training(case, ours), our_training(case, ours)
    for training in both:
        training.step()
    theirs, own = (training.step() for training in both)
    after = max(abs(theirs[name].item() / own[name].item() - 1) for name in own)
    return f"features {apart:.0e} of the largest, losses of the second step {after:.0e}"


def operations(case: Case) -> int:
    """Floating-point operations of convolutions and matrix products, forward and backward, of our step."""
    network = our_network(case).to(DEVICE).train()
    views, _ = made_batch(case)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        output = network(views)
        (output.logits.sum() + output.features.sum()).backward()
    return counter.get_total_flops()


def peak_rate(dtype: torch.dtype) -> float:
    """Operations a second of one large matrix product: what this machine reaches when nothing else is asked of it."""
    size = 8192 if DEVICE.type == "cuda" else 1536
    first, second = (torch.randn(size, size, device=DEVICE).to(dtype) for _ in range(2))
    seconds = min(cost(lambda: first @ second) for _ in range(6))
    return 2 * size**3 / seconds


def trainings(case: Case, *, compiled: bool) -> dict[str, Callable[[], Training]]:
    """What is compared, each made when it is called."""
    found: dict[str, Callable[[], Training]] = {
        PLAIN: lambda: plain_training(case, our_network(case)),
        OURS: lambda: our_training(case, our_network(case)),
        "ours, bf16": lambda: our_training(case, our_network(case), precision="bf16"),
    }
    if compiled:
        found["ours, float32, compiled"] = lambda: our_training(case, our_network(case), compiled=True)
        found["ours, bf16, compiled"] = lambda: our_training(case, our_network(case), precision="bf16", compiled=True)
    return found


def memory(case: str, name: str) -> tuple[float, float]:
    """MiB of parameters, and peak MiB that two steps add to this process (of the GPU, where there is one)."""
    before = resident("VmRSS")
    training = trainings(CASES[case], compiled=True)[name]()
    parameters = sum(parameter.nbytes for parameter in training.network.parameters()) / 2**20
    for _ in range(2):
        training.step()
    wait_for_gpu()
    if DEVICE.type == "cuda":
        return parameters, torch.cuda.max_memory_allocated() / 2**20
    return parameters, resident("VmHWM") - before


def resident(what: str) -> float:
    """MiB of this process in memory, now (VmRSS) or at most (VmHWM); getrusage's peak would include its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def memory_apart(case: str, name: str) -> tuple[float, float]:
    """`memory` in a process of its own, so that its peak is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(memory, case, name).result()


def taking_turns(made: Mapping[str, Training], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each one's steps, all once a round, after a round that does not count.

    On a CPU these are seconds of its cores (all threads), which other work on the machine disturbs least.
    """
    found: dict[str, list[float]] = {label: [] for label in made}
    for number in range(rounds + 1):
        for label, training in made.items():
            spent = cost(training.step)
            if number:
                found[label].append(spent)
    return found


def cost(call: Callable[[], object]) -> float:
    """Seconds that a call takes of a GPU, or of all cores together."""
    wall, busy, _ = timed(call)
    return wall if DEVICE.type == "cuda" else busy


def spread(seconds: Sequence[float], scale: float = 1.0) -> str:
    return f"{scale * statistics.median(seconds):.3g} ({scale * min(seconds):.3g} - {scale * max(seconds):.3g})"


def compare(name: str, *, rounds: int, compiled: bool, peaks: Mapping[str, float]) -> None:
    """One table: our step against the plain one."""
    case = CASES[name]
    print(f"## {name}: {case.what} ({case.views} views a step)\n")
    print(f"The same network and losses: {check_equal(case)}.\n")
    flops = operations(case)
    made = {label: make() for label, make in trainings(case, compiled=compiled).items()}
    seconds = taking_turns(made, rounds=rounds)
    del made
    print(f"{flops / 1e9:,.0f} GFLOP a step; {rounds} rounds in turns, middle (least - most).\n")
    print(f"| step | {SECONDS} | views/s | plain / this | share of peak | parameters, MiB | peak memory, MiB |")
    print("|---|---|---|---|---|---|---|")
    for label, times in seconds.items():
        middle = statistics.median(times)
        peak = peaks["bf16" if "bf16" in label else "float32"]
        parameters, most = memory_apart(name, label)
        print(
            f"| {label} | {spread(times)} | {case.views / middle:.1f} | {ratio(seconds[PLAIN], times)} | "
            f"{100 * flops / middle / peak:.0f} % | {parameters:,.0f} | {most:,.0f} |",
            flush=True,
        )
    print()


def settings(case: Case) -> dict[str, Callable[[], Training]]:
    """Our float32 step with one choice made differently."""

    def under(
        change: Callable[[], contextlib.AbstractContextManager[object]], **choices: Any
    ) -> Callable[[], Training]:
        def make() -> Training:
            training = our_training(case, our_network(case), **choices)

            def step() -> dict[str, Tensor]:
                with change():
                    return training.step()

            return Training(step, training.network)

        return make

    def ours(**choices: Any) -> Callable[[], Training]:
        return lambda: our_training(case, our_network(case), **choices)

    found = {
        OURS: ours(),
        "NCHW": ours(layout=torch.contiguous_format),
        "fused SGD": ours(fused=True),
        "foreach SGD": ours(foreach=True),
        "SGD parameter by parameter": ours(foreach=False),
        "gradients set to zero, not dropped": ours(set_to_none=False),
        "bf16 autocast": ours(precision="bf16"),
        "bf16 autocast, NCHW": ours(precision="bf16", layout=torch.contiguous_format),
    }
    if DEVICE.type == "cpu":
        found["matrix products and convolutions through bf16 (other results)"] = under(mkldnn_through_bf16)
        found["denormals flushed to zero (other results)"] = under(denormals_flushed)
    return found


@contextlib.contextmanager
def mkldnn_through_bf16() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    torch.backends.mkldnn.conv.fp32_precision = "bf16"  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.mkldnn.conv.fp32_precision = "none"  # pyright: ignore[reportAttributeAccessIssue]


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def try_settings(name: str, *, rounds: int) -> None:
    """One table: what each choice gives."""
    case = CASES[name]
    made = {label: make() for label, make in settings(case).items()}
    first = {label: training.step() for label, training in made.items()}
    seconds = taking_turns(made, rounds=rounds)
    print(f"## Single choices: {name}\n")
    print("Our step with one thing changed; *as is / this* above 1 is quicker. Losses are the first step's.\n")
    print(f"| change | {SECONDS} | as is / this | largest change of a loss |")
    print("|---|---|---|---|")
    for label, times in seconds.items():
        apart = max(abs(term / first[OURS][key] - 1).item() for key, term in first[label].items())
        print(f"| {label} | {spread(times)} | {ratio(seconds[OURS], times)} | {apart:.0e} |")
    print()


def where(name: str, *, rounds: int) -> None:
    """Two tables for each precision: our step by its parts and by its operations."""
    case = CASES[name]
    for precision in PRECISIONS:
        network = our_network(case)
        training = our_training(case, network, precision=precision)
        training.step()
        clock = PartClock(network)
        rows = [clock.measure(training.step) for _ in range(rounds)]
        clock.remove()
        middle = {part: statistics.median(row[part] for row in rows) for part in rows[0]}
        total = sum(middle.values())
        print(f"## Where the time goes: {name}, {precision}\n")
        print(f"{1000 * total:,.0f} ms a step, {rounds} steps, the middle of each part. Losses count as backward.\n")
        print("| part | forward, ms | backward, ms | share |")
        print("|---|---|---|---|")
        for part in dict.fromkeys(part for part, _ in middle):
            ahead, back = (middle.get((part, way), 0.0) for way in (FORWARD, BACKWARD))
            print(f"| {part} | {1000 * ahead:,.0f} | {1000 * back:,.0f} | {100 * (ahead + back) / total:.0f} % |")
        on_gpu = DEVICE.type == "cuda"
        with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as found:
            training.step()
            wait_for_gpu()
        kind = "self_device_time_total" if on_gpu else "self_cpu_time_total"
        shares = {event.key: (getattr(event, kind), event.count) for event in found.key_averages()}
        whole = sum(spent for spent, _ in shares.values())
        print("\n| operation | calls | share |")
        print("|---|---|---|")
        for key, (spent, count) in sorted(shares.items(), key=lambda item: -item[1][0])[:12]:
            print(f"| `{key}` | {count} | {100 * spent / whole:.0f} % |")
        print(flush=True)


class PartClock:
    """Reads the clock where a step passes from one part of a network to the next, forward and backward.

    Backward, a part is done when the gradient of what went into it is whole: a hook on that tensor tells.
    """

    def __init__(self, network: Network) -> None:
        assert network.mimb is not None
        *stages, last = network.stages
        self._marks: list[tuple[float, tuple[str, str]]] = []
        self._hooks = [
            module.register_forward_hook(self._after(part))
            for part, module in [
                *(("stems", stem) for stem in network.stems.values()),
                *((f"stage {number}", stage) for number, stage in enumerate(stages, start=1)),
                ("MIMB", network.mimb),
                ("stage 4", last),
                ("pooling", network.pooling),
                ("head, losses", network.head),
            ]
        ]
        self._hooks += [
            register_optimizer_step_pre_hook(lambda *_: self._mark("stems", BACKWARD)),
            register_optimizer_step_post_hook(lambda *_: self._mark("optimiser", FORWARD)),
        ]

    def _after(self, part: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, given: Any, put_out: Any) -> None:
            self._mark(part, FORWARD)
            maps = given[0][-1] if isinstance(given[0], list) else given[0]
            if maps.requires_grad:
                maps.register_hook(lambda _: self._mark(part, BACKWARD))

        return hook

    def _mark(self, part: str, way: str) -> None:
        wait_for_gpu()
        self._marks.append((time.perf_counter(), (part, way)))

    def measure(self, step: Callable[[], object]) -> dict[tuple[str, str], float]:
        """Seconds of one step, by part and way."""
        self._marks = []
        self._mark("", "")
        step()
        self._mark("optimiser", FORWARD)
        found: dict[tuple[str, str], float] = {}
        for (before, _), (now, part) in itertools.pairwise(self._marks):
            found[part] = found.get(part, 0.0) + now - before
        return found

    def remove(self) -> None:
        """Take the hooks off again."""
        for hook in self._hooks:
            hook.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = ["published"] if DEVICE.type == "cuda" else ["small", "half"]
    parser.add_argument("--cases", nargs="*", choices=CASES, default=default, help="which sizes to compare")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of each")
    parser.add_argument("--where", action="store_true", help="where the time of our step goes instead")
    parser.add_argument("--settings", action="store_true", help="what single choices give instead")
    parser.add_argument("--compile", action="store_true", help="compiled steps as well")
    arguments = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS")
    peaks = {"float32": peak_rate(torch.float32), "bf16": peak_rate(torch.bfloat16)}
    print("# A training step\n")
    for name in arguments.cases if arguments.settings else ():
        try_settings(name, rounds=arguments.rounds)
    for name in arguments.cases if arguments.where else ():
        where(name, rounds=arguments.rounds)
    for name in () if arguments.settings or arguments.where else arguments.cases:
        compare(name, rounds=arguments.rounds, compiled=arguments.compile, peaks=peaks)
    setting = f"OMP_NUM_THREADS={threads} " if threads else ""
    command = f"{setting}python benchmarks/training.py {' '.join(sys.argv[1:])}".rstrip()
    print(describe(command, "timm", "lightning-fabric"))
    print(
        f"- {torch.get_num_threads()} threads; a large matrix product reaches "
        f"{peaks['float32'] / 1e9:,.0f} GFLOP/s in float32 and {peaks['bf16'] / 1e9:,.0f} in bf16"
    )


if __name__ == "__main__":
    main()
