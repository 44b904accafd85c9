"""The names of the files in a run directory; no other module spells them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKPOINT_PATTERN = "step-*.npz"


@dataclass(frozen=True)
class RunDirectory:
    """Where the files of one run lie; making one touches no file.

    Attributes:
        path: The run's directory.
    """

    path: Path

    @property
    def name(self) -> str:
        """The run's name: the last part of its path."""
        name = self.path.name
        # Only a path such as `.` has to be asked for; a link goes by its own name.
        return name if name not in {"", ".."} else self.path.resolve().name

    @property
    def config(self) -> Path:
        """The resolved config: `lmrun train config.yaml` repeats the run."""
        return self.path / "config.yaml"

    @property
    def source(self) -> Path:
        """The user's config as it was."""
        return self.path / "source.yaml"

    @property
    def overrides(self) -> Path:
        """The `KEY=VALUE` overrides, one per line."""
        return self.path / "overrides.txt"

    @property
    def manifest(self) -> Path:
        """Where, when and with which versions the run was made."""
        return self.path / "manifest.json"

    @property
    def documents(self) -> tuple[Path, ...]:
        """What a run begins with; every checkpoint has copies."""
        return (self.config, self.source, self.overrides, self.manifest)

    @property
    def results(self) -> tuple[Path, ...]:
        """What a run ends with, less its summary."""
        return (self.metrics, self.last_weights, self.best_weights, self.model)

    @property
    def metrics(self) -> Path:
        """One row per step or epoch."""
        return self.path / "metrics.csv"

    @property
    def summary(self) -> Path:
        """How the run ended."""
        return self.path / "summary.json"

    @property
    def labels(self) -> Path:
        """Tags and a note."""
        return self.path / "labels.json"

    @property
    def lock(self) -> Path:
        """Held by the process that trains the run."""
        return self.path / ".lock"

    @property
    def data(self) -> Path:
        """The rows of a formula that a Python program has fitted to arrays."""
        return self.path / "data.npz"

    @property
    def weights(self) -> Path:
        """The folder of the weights."""
        return self.path / "weights"

    @property
    def best_weights(self) -> Path:
        """The weights of the lowest validation loss, or training loss where nothing validates."""
        return self.weights / "best.weights.h5"

    @property
    def last_weights(self) -> Path:
        """The weights after the last step."""
        return self.weights / "last.weights.h5"

    @property
    def model(self) -> Path:
        """The whole model, loadable without lmrun's config."""
        return self.path / "model.keras"

    def exported(self, suffix: str) -> Path:
        """The model in another format, by the suffix of its file; a folder without one."""
        return self.path / f"model{suffix}" if suffix else self.path / "savedmodel"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint of one step; names sort as the steps do."""
        return self.checkpoints / f"step-{step:012d}.npz"

    @property
    def plots(self) -> Path:
        """The folder of the figures."""
        return self.path / "plots"

    def plot(self, kind: str) -> Path:
        """The figure of a kind, such as `fit`."""
        return self.plots / f"{kind}.png"

    @property
    def loss_plot(self) -> Path:
        """The figure of the loss against steps and seconds."""
        return self.plot("loss")

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        """The folder of the event files, where they are asked for."""
        return self.path / "tensorboard"

    @property
    def log(self) -> Path:
        """What the run said to its user."""
        return self.path / "log.txt"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that every run has."""
        return (self.weights, self.checkpoints, self.plots)

    @property
    def begun(self) -> bool:
        """Whether this was meant to be a run's directory: at least two of a run's files are there."""
        # Whoever lists thousands of runs asks for two files of each, not for all.
        names = ("manifest", "config", "metrics", "summary", "checkpoints", "weights")
        there = (name for name in names if os.path.exists(getattr(self, name)))
        return next(there, None) is not None and next(there, None) is not None

    @property
    def exists(self) -> bool:
        """Whether this is a run's directory: it holds a config and a manifest."""
        # Not `Path.is_file`, which raises for a folder that nobody may look into.
        return os.path.isfile(self.config) and os.path.isfile(self.manifest)
