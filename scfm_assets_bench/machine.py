"""What a figure depends on: the machine and the libraries."""

from __future__ import annotations

import os
import platform
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def facts(threads: int) -> str:
    """Name cores, threads, versions, what the processor can do and how busy it is, in one line."""
    import numpy as np
    import torch
    import transformers

    words = [
        f"{threads} thread{'s' * (threads > 1)} of {os.cpu_count()} cores",
        _processor(),
        " ".join(flag for flag in FLAGS if flag in _flags()) or torch.backends.cpu.get_cpu_capability(),
        f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}",
        f"{platform.system()} {platform.machine()}",
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return "; ".join(words)


def free_memory() -> int | None:
    """Bytes that can be had without swapping, None where the system does not say."""
    known = Path("/proc/meminfo")
    if not known.is_file():
        return None
    line = next((line for line in known.read_text().splitlines() if line.startswith("MemAvailable:")), None)
    return int(line.split()[1]) * 1024 if line else None


def _cpuinfo(name: str) -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown processor"


def _flags() -> set[str]:
    return set(_cpuinfo("flags").split())
