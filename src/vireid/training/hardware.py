"""The machine, the libraries and the code that a result was made with."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

import torch

import vireid

__all__ = ["code_fingerprint", "describe_hardware", "library_versions"]

_LIBRARIES = ("torch", "torchvision", "timm", "lightning-fabric", "numpy", "pillow", "opencv-python-headless")


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


def library_versions() -> dict[str, str]:
    """Versions of this library, of Python and of what numbers depend on, by name.

    >>> list(library_versions())[:3]
    ['vireid', 'python', 'torch']
    """
    own = {"vireid": vireid.__version__, "python": platform.python_version()}
    return own | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def code_fingerprint() -> str:
    """16 hexadecimal digits of this library's own source: a version may be many states of the code while it grows."""
    root = Path(vireid.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
