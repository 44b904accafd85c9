"""Keep on disk what XLA has compiled, so that the next process need not compile it again.

TensorFlow has such a cache, but a damaged entry or a full disk ends its process. So a process works in a
folder of its own: hard links to those entries of the store whose checksum is right. What it adds is linked
into the store, under its checksum, when it ends; what a killed process leaves, when the next one begins. An
entry is a whole file under its final name from the first moment on, whoever else is reading or adding.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import shutil
import zlib
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil

SETTING = "LMRUN_CACHE"
"""The environment variable: `off`, or a folder."""
FLAGS = "TF_XLA_FLAGS"
OPTION = "tf_xla_persistent_cache_directory"
LIMIT_BYTES = 2**26
"""Of all entries: some hundred models. Reading them all for their checksums takes 30 ms."""
FREE_BYTES = 2**28
"""Below this no file is added: TensorFlow takes a failed write for an error of the run."""
OPEN = "open-"
"""How the folder of a running process begins; its number follows."""


def open_cache(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Tell TensorFlow, which has not compiled anything yet, where to read and write compiled functions.

    Args:
        environment: The environment variables; the folder is written there.

    Returns:
        The folder of this process; None where there is no cache: switched off, TensorFlow's own set up by the
        user, or no place for it.
    """
    root, flags = folder(environment), environment.get(FLAGS, "").strip()
    # Flags that begin otherwise are the name of a file of flags; a quote cannot stand within quotes.
    if root is None or OPTION in flags or (flags and not flags.startswith("-")) or "'" in str(root):
        return None
    store = root / key(environment)
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(store).free < FREE_BYTES:
            return None
        adopt_abandoned(store)
        shrink(root)
        own = open_folder(store)
    except OSError:
        return None
    own_flags = f"--{OPTION}='{own}' --tf_xla_persistent_cache_device_types=XLA_CPU_JIT,CPU"
    environment[FLAGS] = f"{flags} {own_flags}".strip()
    atexit.register(close_folder, own)
    return own


def folder(environment: Mapping[str, str]) -> Path | None:
    """Return where all caches are, or None if there is to be none."""
    setting = environment.get(SETTING, "")
    if setting.lower() == "off":
        return None
    if setting:
        return Path(setting).absolute()
    caches = environment.get("XDG_CACHE_HOME")
    try:
        return (Path(caches) if caches else Path.home() / ".cache").absolute() / "lmrun" / "xla"
    except RuntimeError:
        # Nobody's home.
        return None


def key(environment: Mapping[str, str]) -> str:
    """Name all that decides on the machine code besides the function, which TensorFlow compares itself."""
    tensorflow = version("tensorflow")
    parts = [tensorflow, processor(), str(os.cpu_count())]
    parts += [environment.get(name, "") for name in ("XLA_FLAGS", FLAGS)]
    return f"{tensorflow}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def processor() -> str:
    """Describe the processor with all its instruction sets, as far as the system tells."""
    lines: list[str] = []
    with suppress(OSError):
        first, *_ = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")
        names = ("model", "flags", "vendor", "cpu", "stepping", "features", "CPU")
        lines = [line for line in first.splitlines() if line.startswith(names) and "MHz" not in line]
    return "\n".join([platform.machine(), platform.processor(), *lines])


def shrink(root: Path) -> None:
    """Delete the oldest entries beyond LIMIT_BYTES, whatever they are for: XLA's, and C (`c_compiler`)."""
    paths = [path for ending in ("pb", "so") for path in root.glob(f"*/*-*.{ending}")]
    entries = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in paths)
    excess = sum(size for _, size, _ in entries) - LIMIT_BYTES
    for _, size, path in entries:
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def open_folder(store: Path) -> Path:
    """Make the folder of this process, with a link to every sound entry; others are deleted."""
    own = store / f"{OPEN}{os.getpid()}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    for path in store.glob("*-*.pb"):
        checksum, _, name = path.name.partition("-")
        with suppress(FileNotFoundError):
            if checksum == checksum_of(path):
                with suppress(FileExistsError):
                    os.link(path, own / name)
            else:
                path.unlink()
    return own


def adopt_abandoned(store: Path) -> None:
    """Take over the folders of processes that were killed."""
    for path in store.glob(f"{OPEN}*"):
        process = path.name.removeprefix(OPEN)
        if process.isdigit() and not psutil.pid_exists(int(process)):
            close_folder(path)


def close_folder(own: Path) -> None:
    """Link what TensorFlow has added into the store; the folder goes."""
    store = own.parent
    with suppress(OSError):
        known = {path.name.partition("-")[2] for path in store.glob("*-*.pb")}
        # What TensorFlow has not finished has another ending.
        for path in own.glob("*.pb"):
            if path.name not in known:
                os.link(path, store / f"{checksum_of(path)}-{path.name}")
    shutil.rmtree(own, ignore_errors=True)


def checksum_of(path: Path) -> str:
    """Return 8 hexadecimal digits that tell a damaged file from a sound one."""
    return f"{zlib.crc32(path.read_bytes()):08x}"
