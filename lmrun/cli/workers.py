"""The other workers of a fit: who they are, and how this process joins them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmrun.errors import UsageError

if TYPE_CHECKING:
    from lmrun.config.schema import Config
    from lmrun.distribution.cluster import Cluster
    from lmrun.distribution.meeting import Place
    from lmrun.distribution.reducer import Reducer

Workers = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT,...",
        help="The workers of one fit; start this very command once for each of them.",
        show_default=False,
    ),
]
OWN = (("device",), ("dataset", "path"))
"""What may differ between workers: their machines are not the same one."""


def take_place(workers: str | None) -> Place | None:
    """Take the place of one of the workers that the command or `TF_CONFIG` names; None where neither does.

    Raises:
        UsageError: They are not addresses, or none of them is free here.
    """
    from lmrun.distribution.cluster import cluster_of_environment, parse_workers
    from lmrun.distribution.meeting import Place

    cluster = parse_workers(workers) if workers else cluster_of_environment(os.environ)
    return None if cluster is None else Place(cluster)


def require_place(place: Place | None, again: str) -> Place:
    """Return the place, or say how to name the workers.

    Raises:
        UsageError: There is none.
    """
    if place is None:
        raise UsageError(
            "distribution: multi-worker needs to know its workers. Start once for each of them: "
            f"lmrun train {again} --workers host:port,host:port; or set TF_CONFIG for each."
        )
    return place


def what_to_train(config: Config, seeds: int) -> dict[str, Any]:
    """Return what all workers have to be asked for alike."""
    data = config.model_dump(mode="json", exclude={"alternatives"})
    for *sections, key in OWN:
        section: Any = data
        for name in sections:
            section = section[name]
        section.pop(key, None)
    return {"seeds": seeds, "resume": False, "config": data}


def meet(place: Place, own: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Wait for the other workers, see `Place.meet`."""
    name = f"worker {place.index} of {len(place.cluster.addresses)}"

    def say(words: str) -> None:
        if not quiet:
            typer.echo(f"{name}: {words}", err=True)

    return place.meet(own, say)


def join(cluster: Cluster, device: str) -> Reducer:
    """Connect TensorFlow with the other workers, which have been met.

    Raises:
        LmrunError: The device is not there, or a worker is gone.
    """
    import tensorflow as tf

    from lmrun.build import choose_device
    from lmrun.distribution.multi_worker import MultiWorker

    chosen = choose_device(device)
    kind, _, number = chosen.removeprefix("/").partition(":")
    gpus = tf.config.list_physical_devices("GPU")
    # TensorFlow would make every GPU that it sees a replica; several GPUs are several workers here.
    tf.config.set_visible_devices(gpus[int(number) : int(number) + 1] if kind == "GPU" else [], "GPU")
    return MultiWorker(cluster, gpu=kind == "GPU")
