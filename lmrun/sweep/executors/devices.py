"""What this machine has, without asking TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus_here(driver: Path = DRIVER) -> list[str]:
    """Return the names by which a process chooses GPUs: those it is shown, else all that the driver lists."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return [name.strip() for name in shown.split(",") if name.strip()]
    found = len(list(driver.iterdir())) if driver.is_dir() else 0
    return [str(number) for number in range(found)]
