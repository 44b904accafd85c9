"""What memory `lmrun predict` takes: files of one and of four million rows, in every format.

    python -m benchmarks.predicting

Each file is predicted in a process of its own, into a file of the same format. A format that is read and
written by parts takes the same for both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import lmrun  # noqa: F401 - sets the threads of BLAS before NumPy is loaded
from lmrun.predict.writers import WRITERS

MILLION = 1_000_000
SIZES = (MILLION, 4 * MILLION)
PART = 100_000
MIB = 2**20


def parts(rows: int):
    """Yield columns x and t, part by part."""
    for start in range(0, rows, PART):
        x = np.random.default_rng(start).uniform(0, 1, (PART, 2))
        yield {"x": x[:, 0], "t": x[:, 1]}


def written(path: Path, rows: int) -> None:
    """By lmrun's own writers, which take parts."""
    with WRITERS[path.suffix](path, "rows") as writer:
        for part in parts(rows):
            writer.write(part)


def whole(rows: int) -> dict[str, np.ndarray]:
    """All rows."""
    made = list(parts(rows))
    return {name: np.concatenate([part[name] for part in made]) for name in made[0]}


def compressed(path: Path, rows: int) -> None:
    """`numpy.savez_compressed`."""
    np.savez_compressed(path, **whole(rows))


def version_7_3(path: Path, rows: int) -> None:
    """MATLAB's -v7.3, which is HDF5."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        for name in ("x", "t"):
            node = file.create_dataset(name, (1, rows), chunks=(1, PART), compression="gzip")
            for number, part in enumerate(parts(rows)):
                node[0, number * PART : (number + 1) * PART] = part[name]
            node.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


FORMATS: Mapping[str, tuple[str, Callable[[Path, int], None]]] = {
    "CSV": (".csv", written),
    "Parquet": (".parquet", written),
    "NPZ": (".npz", written),
    "NPZ, compressed": (".npz", compressed),
    "MAT 7.3": (".mat", version_7_3),
    "MAT 7": (".mat", written),
}
"""The ending of the file, and what writes it."""


def peak(folder: Path, path: Path) -> int:
    """Return the most resident bytes of a prediction."""
    output = path.with_name(f"out{path.suffix}")
    command = [sys.executable, "-m", "lmrun", "predict", "run", str(path), "-o", str(output)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{path.name}: lmrun predict failed")
    output.unlink()
    return usage.ru_maxrss * 1024


def train(folder: Path) -> None:
    """A formula of two columns."""
    columns = whole(PART)
    table = np.stack([columns["x"], columns["t"], columns["x"] * np.exp(columns["t"])], axis=1)[:100]
    np.savetxt(folder / "data.csv", table, delimiter=",", header="x,t,y", comments="")
    formula = ["fit", "data.csv", "y ~ a*x*exp(b*t)", "--start", "a=2", "b=0.5", "--name", "run", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "lmrun", *formula], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )


def main() -> None:
    """Print a line for each format."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        heads = [f"{size // MILLION} million rows, file | peak" for size in SIZES]
        sys.stdout.write(f"| format | {' | '.join(heads)} |\n|---{'|---:' * 2 * len(SIZES)}|\n")
        for kind, (suffix, write) in FORMATS.items():
            cells = []
            for rows in SIZES:
                path = folder / f"rows{suffix}"
                write(path, rows)
                cells += [f"{path.stat().st_size / MIB:,.0f}", f"{peak(folder, path) / MIB:,.0f}"]
                path.unlink()
            sys.stdout.write(f"| {kind} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
