"""What lmrun finds around it: versions, processor, devices, BLAS, memory, places to write, extras."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import psutil
from threadpoolctl import ThreadpoolController

import lmrun
from lmrun.c_compiler import SETTING, compiler, failure
from lmrun.compile_cache import FREE_BYTES, folder, processor
from lmrun.linalg.one_thread import one_blas_thread
from lmrun.linalg.threads import WORKERS
from lmrun.training.free_memory import free_memory
from lmrun.training.memory import human

State = Literal["ok", "note"]
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pandas", "pyarrow", "h5py", "matplotlib")
INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f")
INTEL = ("x86_64", "AMD64", "i686")
LITTLE_MEMORY = 2**30
"""A run's libraries alone take two thirds of that."""
LITTLE_DISK = 2**30
EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"onnx": ("onnx",), "tflite": ("ai-edge-litert",), "ray": ("ray",)}
)
"""What further features need; a GPU is among the devices."""


class Fact(NamedTuple):
    """One line of the report.

    Attributes:
        name: What was looked at.
        words: What was found, and what to do where that is not as it should be.
        state: `note` where a run does without.
        values: The same for programs.
    """

    name: str
    words: str
    state: State
    values: Mapping[str, Any]


def facts(runs_dir: Path) -> Iterator[Fact]:
    """Yield all; TensorFlow is loaded.

    Args:
        runs_dir: Where runs would be written.
    """
    yield versions()
    yield from (processor_fact(), devices(), blas(), memory(), cache(), c_compiler(), disk(runs_dir))
    yield from extras()


def versions() -> Fact:
    """Of lmrun, Python and the packages that compute."""
    found = {"lmrun": lmrun.__version__, "python": platform.python_version()}
    found |= {package: version(package) for package in PACKAGES}
    return Fact("versions", ", ".join(f"{name} {number}" for name, number in found.items()), "ok", found)


def processor_fact(description: str | None = None, machine: str = platform.machine()) -> Fact:
    """Cores and instruction sets.

    Args:
        description: As `compile_cache.processor` gives it.
        machine: The architecture.
    """
    words = set((processor() if description is None else description).split())
    found = [name for name in INSTRUCTIONS if name in words]
    values = {"machine": machine, "system": platform.platform(), "cores": WORKERS, "instructions": found}
    text = f"{machine}, {WORKERS} core(s) for lmrun"
    if machine in INTEL and words & {"flags", "fpu"}:
        if "avx2" not in found:
            return Fact("processor", f"{text}; no AVX2: products take twice as long", "note", values)
        text += f", {', '.join(found)}"
    return Fact("processor", text, "ok", values)


def devices() -> Fact:
    """What TensorFlow sees."""
    import tensorflow as tf

    found = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device) if device.device_type == "GPU" else {}
        found.append({"name": device.name.removeprefix("/physical_device:"), **details})
    text = ", ".join(" ".join([one["name"], one.get("device_name", "")]).strip() for one in found)
    return Fact("devices", text, "ok", {"devices": found})


def blas() -> Fact:
    """The libraries that are loaded, and whether lmrun can hold them to one thread each."""
    controller = ThreadpoolController()
    with one_blas_thread(controller):
        within = [one for one in controller.info() if one["user_api"] == "blas"]
    before = [one for one in ThreadpoolController().info() if one["user_api"] == "blas"]
    found = [
        {key: one.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
        for one in before
    ]
    names = [f"{one['internal_api']} {one['version']} ({one['num_threads']} thread(s))" for one in found]
    values = {"libraries": found, "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS")}
    threads = max((one["num_threads"] for one in within), default=1)
    if threads > 1:
        advice = f"; it keeps {threads} threads while lmrun trains: set OPENBLAS_NUM_THREADS=1"
        return Fact("blas", ", ".join(names) + advice, "note", values)
    return Fact("blas", ", ".join(dict.fromkeys(names)) or "unknown", "ok", values)


def memory() -> Fact:
    """Free and in all."""
    total, free = int(psutil.virtual_memory().total), free_memory()
    words, values = (
        f"{human(free.bytes)} {free.of} free, {human(total)} in all",
        {"total": total, "free": free.bytes, "of": free.of},
    )
    return Fact("memory", words, "ok" if free.bytes >= LITTLE_MEMORY else "note", values)


def cache(environment: Mapping[str, str] = os.environ) -> Fact:
    """Where compiled functions are kept."""
    place = folder(environment)
    values: dict[str, Any] = {"folder": None if place is None else str(place)}
    if place is None:
        return Fact("compile cache", "switched off", "note", values)
    reason = unwritable(place)
    if reason is not None:
        return Fact(
            "compile cache", f"{place}: {reason}; set LMRUN_CACHE to a folder of yours", "note", values
        )
    free = shutil.disk_usage(existing(place)).free
    values["bytes"] = sum(path.stat().st_size for path in place.glob("*/*-*.pb"))
    if free < FREE_BYTES:
        return Fact("compile cache", f"{place}: only {human(free)} free, so nothing is kept", "note", values)
    return Fact("compile cache", f"{place}, {human(values['bytes'])}", "ok", values)


def c_compiler(environment: Mapping[str, str] = os.environ) -> Fact:
    """Whether convolutions can be compiled: a small one is."""
    path = compiler(environment)
    values: dict[str, Any] = {"path": path}
    if path is None:
        words = "none, so convolutions are made by NumPy, which takes longer; install gcc or clang"
        off = environment.get(SETTING, "").lower() == "off"
        return Fact("c compiler", "switched off" if off else words, "note", values)
    values["failure"] = failure(path)
    if values["failure"] is not None:
        return Fact(
            "c compiler", f"{path} fails, so NumPy makes convolutions: {values['failure']}", "note", values
        )
    return Fact("c compiler", path, "ok", values)


def disk(runs_dir: Path) -> Fact:
    """Where runs are written."""
    place = runs_dir.absolute()
    reason, values = unwritable(place), {"folder": str(place)}
    if reason is not None:
        return Fact("runs", f"{place}: {reason}; name another by --runs-dir", "note", values)
    free = shutil.disk_usage(existing(place)).free
    state: State = "ok" if free >= LITTLE_DISK else "note"
    return Fact("runs", f"{place}, {human(free)} free", state, {**values, "free": free})


def existing(place: Path) -> Path:
    """Return the folder, or the nearest around it that is there."""
    # Not `Path.is_dir`, which raises for what lies in a folder that nobody may look into.
    return next(path for path in (place, *place.parents) if os.path.isdir(path))


def unwritable(place: Path) -> str | None:
    """Return why no file can be written there, or None; a folder that is not there yet can be made."""
    try:
        with tempfile.TemporaryFile(dir=existing(place)):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror})"


def extras() -> Iterator[Fact]:
    """Which of the package's extras are there."""
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if not installed(package)]
        words = f"not there: pip install 'lmrun[{extra}]'" if missing else ", ".join(packages)
        yield Fact(f"extra {extra}", words, "note" if missing else "ok", {"missing": missing})


def installed(package: str) -> bool:
    """Whether a distribution is there."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
