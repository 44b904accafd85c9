"""Compile C on this machine, once for all runs.

A library is kept beside the functions that XLA has compiled (`compile_cache`), named after all that decides
on its machine code and after its own checksum: a damaged one is made anew, not run.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from lmrun.compile_cache import FREE_BYTES, checksum_of, folder, processor

SETTING = "LMRUN_COMPILER"
"""The environment variable: `off`, or a C compiler that understands the vectors of GCC and Clang."""
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-march=native", "-fPIC", "-shared", "-w")
"""Without -ffast-math: it makes the whole process take small numbers for zero."""
SECONDS = 60.0
"""A compiler that takes longer hangs; it usually takes 0.3 s."""
FOLDER = "native"
SMALL = """
typedef float wide __attribute__((vector_size(32), aligned(4), may_alias));
float sum(const float *x) { wide v = *(const wide *)x + ((wide){0} + x[0]); return v[0] + v[7]; }
"""
"""What `failure` compiles: the language's extensions that kernels need."""


def compiler(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of the C compiler; None where there is none, or it is not wanted."""
    setting = environment.get(SETTING, "")
    if setting.lower() == "off":
        return None
    names = (setting,) if setting else COMPILERS
    return next((path for path in map(shutil.which, names) if path is not None), None)


@cache
def library(source: Path, **constants: int | str) -> ctypes.CDLL | None:
    """Return a source compiled with constants; None where that is not possible.

    Every failure has the same answer: the kernels in NumPy do the same, and `lmrun doctor` says why.
    """
    path = compiler()
    if path is None:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="lmrun-") as scratch:
            return _loaded(path, source, constants, Path(scratch))
    except (OSError, subprocess.SubprocessError):
        return None


def failure(path: str) -> str | None:
    """Compile a few vectors with a compiler, and return what went wrong; None where nothing did."""
    with tempfile.TemporaryDirectory(prefix="lmrun-") as scratch:
        source = Path(scratch) / "small.c"
        source.write_text(SMALL, encoding="utf-8")
        try:
            ctypes.CDLL(str(_compiled(path, source, {}, Path(scratch))))
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"exit code {error.returncode}"
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    return None


def _loaded(path: str, source: Path, constants: Mapping[str, int | str], scratch: Path) -> ctypes.CDLL:
    root = folder(os.environ)
    store = None if root is None else root / FOLDER
    name = _name(path, source, constants)
    if store is not None:
        for known in store.glob(f"*-{name}.so"):
            if known.name.partition("-")[0] == checksum_of(known):
                return ctypes.CDLL(str(known))
            known.unlink(missing_ok=True)
    made = _compiled(path, source, constants, scratch)
    if store is not None:
        # Where it cannot be kept, the next process compiles again.
        with suppress(OSError):
            made = _kept(made, store, name)
    # The system keeps a loaded file as long as it is used, also after its name is gone.
    return ctypes.CDLL(str(made))


def _compiled(path: str, source: Path, constants: Mapping[str, int | str], scratch: Path) -> Path:
    """Raises CalledProcessError, TimeoutExpired and OSError."""
    made = scratch / "made.so"
    definitions = [f"-D{name}={value}" for name, value in constants.items()]
    command = [path, *FLAGS, *definitions, "-o", str(made), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    return made


def _kept(made: Path, store: Path, name: str) -> Path:
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(store).free < FREE_BYTES:
        return made
    kept = store / f"{checksum_of(made)}-{name}.so"
    partial = store / f"{os.getpid()}-{name}.partial"
    shutil.copy(made, partial)
    partial.replace(kept)
    return kept


def _name(path: str, source: Path, constants: Mapping[str, int | str]) -> str:
    real = Path(path).resolve()
    parts = [
        source.read_text(encoding="utf-8"),
        # What it may include.
        *(header.read_text(encoding="utf-8") for header in sorted(source.parent.glob("*.h"))),
        sorted(constants.items()),
        FLAGS,
        str(real),
        real.stat().st_mtime_ns,
        processor(),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
