"""Finished runs without any training."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lmrun.compare.results import Result, read_result
from lmrun.runs.create import create_run
from lmrun.runs.metrics import MetricsWriter
from lmrun.runs.summary import write_summary


def result_maker(folder: Path) -> Callable[..., Result]:
    """Return a function that writes a run: losses at steps 0, 1, 2, ... and `pace` seconds apart."""

    def make(
        optimizer: str = "lm",
        seed: int = 10,
        losses: Any = (1.0, 0.1, 0.01),
        *,
        pace: float = 0.5,
        seconds: Any = None,
        damping: Any = None,
        checksum: str = "abc",
        memory: int | None = 600_000_000,
        test: dict[str, float] | None = None,
        settings: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Result:
        config = {
            "seed": seed,
            "precision": "float64",
            "dataset": {"name": "sinc", "points": 100},
            "model": {"name": "mlp"},
            "loss": {"name": "mse"},
            "optimizer": {"name": optimizer, "damping": {"update": "nielsen"}, **(settings or {})},
            "training": {"max_steps": 3, "target_loss": None},
            **changes,
        }
        number = len(list((folder / "runs").glob("*"))) if (folder / "runs").exists() else 0
        run = create_run(
            folder / "runs",
            dataset="sinc",
            optimizer=optimizer,
            seed=seed,
            name=f"run-{number}",
            config_yaml=yaml.safe_dump(config),
            source="",
            overrides=[],
            manifest={"started": f"2026-01-01T{number:02}", "data_checksum": checksum, "cpus": 2},
        )
        with MetricsWriter(run) as writer:
            writer.write(
                [
                    {
                        "step": step,
                        "seconds": pace * step if seconds is None else seconds[step],
                        "loss": loss,
                        "damping": None if damping is None else damping[step],
                        "attempts": None if damping is None else 1 + step % 2,
                    }
                    for step, loss in enumerate(losses)
                ]
            )
        finite = [loss for loss in losses if math.isfinite(loss)]
        write_summary(
            run,
            {
                "status": "max_steps",
                "loss": losses[-1],
                "best_loss": min(finite) if finite else None,
                "test": test,
                "peak_memory_bytes": memory,
            },
        )
        return read_result(run)

    return make
