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

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in done or name not in reads:
            return
        if name in way:
            raise CircularError((*way[way.index(name) :], name))
        for other in reads[name]:
            visit(other, (*way, name))
        done[name] = None

    for name in reads:
        visit(name, ())
    return list(done)
