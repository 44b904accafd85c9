"""Names that read each other, in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class CircularError(ValueError):
    """Names that read each other in a circle: `way` begins and ends with the same one."""

    def __init__(self, way: tuple[str, ...]) -> None:
        self.way = way
        super().__init__(" -> ".join(way))


def in_order(reads: Mapping[str, Collection[str]]) -> list[str]:
    """Put names behind all names that they read; those that are not among the keys do not matter.

    Raises:
        CircularError: A name reads itself, be it by way of others.
    """
    done: dict[str, None] = {}
    for name in reads:
        _visit(name, reads, done)
    return list(done)


def _visit(start: str, reads: Mapping[str, Collection[str]], done: dict[str, None]) -> None:
    """Append what `start` reads and then itself to `done`, depth first: a chain may be very long."""
    if start in done:
        return
    way = {start: iter(reads[start])}
    while way:
        name, others = next(reversed(way.items()))
        for other in others:
            if other in way:
                names = tuple(way)
                raise CircularError((*names[names.index(other) :], other))
            if other in reads and other not in done:
                way[other] = iter(reads[other])
                break
        else:
            del way[name]
            done[name] = None
