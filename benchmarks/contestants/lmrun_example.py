"""lmrun's example script, run as it is; only its call of `lmrun.fit` is watched.

Settings: `script`, a Python file with `main(seed=...)`.

The clock runs for the whole of that call: the building of the experiment counts, and so does what comes after
the last step. The model is measured once, at the end.
"""

from __future__ import annotations

import runpy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lmrun
from benchmarks.contestants.protocol import Recorder, read_job


class Handed(Exception):  # noqa: N818 - not an error
    """What a script hands to `lmrun.fit`.

    Attributes:
        given: Model, inputs and targets.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__()
        self.given = given


def handed_over(script: Path, seed: int) -> tuple[Any, Any, Any]:
    """Run a script up to its call of `lmrun.fit`; return model, inputs and targets."""
    fit = lmrun.fit

    def stop(model: Any, x: Any, y: Any, **_: Any) -> None:
        raise Handed(model, x, y)

    lmrun.fit = stop  # type: ignore[assignment]
    try:
        runpy.run_path(str(script))["main"](seed=seed)
    except Handed as handed:
        model, x, y = handed.given
        return model, x, y
    finally:
        lmrun.fit = fit
    raise ValueError(f"{script} does not call lmrun.fit")


def main() -> None:
    """Run the script."""
    job = read_job()
    # TensorFlow is imported here, and not by the call.
    fit = lmrun.fit

    def watched(*given: Any, **options: Any) -> Any:
        recorder = Recorder(job)
        result = fit(*given, **options)
        recorder.evaluate(given[0].get_weights)
        for step, seconds in zip(result.history["step"], result.history["seconds"], strict=True):
            if step > recorder.made:
                recorder.stepped(int(step) - recorder.made, float(seconds))
        names = ("lmrun", "tensorflow", "keras", "numpy", "scipy")
        recorder.write({name: version(name) for name in names})
        return result

    lmrun.fit = watched
    runpy.run_path(job.settings["script"])["main"](seed=job.seed)


if __name__ == "__main__":
    main()
