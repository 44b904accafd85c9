from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lmrun.runs.create import create_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import MetricsWriter

MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(
        losses: Sequence[float | None],
        *,
        optimizer: str = "lm",
        seed: int = 10,
        name: str | None = None,
        training: str = "{target_loss: 1.0e-06}",
        rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> RunDirectory:
        run = create_run(
            tmp_path / "runs",
            dataset="sinc",
            optimizer=optimizer,
            seed=seed,
            name=name,
            config_yaml=(
                f"seed: {seed}\ndataset: {{name: sinc}}\n"
                f"optimizer: {{name: {optimizer}}}\ntraining: {training}\n"
            ),
            source="",
            overrides=[],
            manifest={},
        )
        with MetricsWriter(run) as writer:
            writer.write(
                rows
                or [
                    {"step": step, "epoch": step, "seconds": 0.5 * step + 0.25, "loss": loss}
                    for step, loss in enumerate(losses)
                ]
            )
        return run

    return make
