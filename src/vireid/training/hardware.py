"""The machine that a result was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

__all__ = ["describe_hardware"]


def describe_hardware() -> dict[str, object]:
    """Processor, cores that this process may use, memory in GiB, operating system and GPUs; nothing that names it.

    >>> sorted(describe_hardware())
    ['accelerators', 'cores', 'memory_gib', 'processor', 'system']
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": None if memory is None else round(memory, 1),
        "system": platform.system(),
        "accelerators": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
