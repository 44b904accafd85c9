"""A formula and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmrun.api.arrays import Array, floats, same_rows, samples, split_of, targets_of, weights_of
from lmrun.api.formula import Roles
from lmrun.api.losses import choose
from lmrun.api.streams import Given
from lmrun.config.models import FormulaConfig
from lmrun.config.schema import Config
from lmrun.datasets.base import Split
from lmrun.errors import DataError
from lmrun.models.formula import build_formula
from lmrun.models.network import Network

if TYPE_CHECKING:
    from lmrun.api.experiment import Options


class FormulaTask:
    """A formula; see `tasks.Task`.

    Args:
        roles: What it reads and predicts.
        parameters: As in a config.
        options: Of the experiment.
    """

    def __init__(self, roles: Roles, parameters: Mapping[str, Any], options: Options) -> None:
        self.input_names, self.target_names = roles.inputs, roles.targets
        self.width = len(roles.targets)
        self.precision = options.precision or "float64"
        self.section: Mapping[str, Any] = {
            "name": "formula",
            "expression": roles.expression,
            "parameters": dict(parameters),
            **({"restarts": options.restarts} if options.restarts else {}),
        }
        self.loss = choose(options.loss, ((self.width,), (self.width,)))

    def network(self, config: Config) -> Network:
        """The formula as a network."""
        assert isinstance(config.model, FormulaConfig), "the section that this task gave"
        return build_formula(config.model, self.input_names, self.target_names, dtype=config.precision)

    def inputs(self, x: Any, precision: str, what: str = "x") -> Array:
        """[rows, columns] in the order of the formula; a table's columns are found by their names."""
        table, names = as_table(x), self.input_names
        if table is None and isinstance(x, list | tuple) and len(x) == len(names) and np.ndim(x[0]) == 1:
            table = dict(zip(names, x, strict=True))
        if table is None:
            return samples(floats(x, what, precision), (len(names),), what)
        missing = [name for name in names if name not in table]
        if missing:
            raise DataError(f"{what}: has no column '{missing[0]}'; it has {', '.join(table)}.")
        columns = {f"{what}['{name}']": np.ravel(table[name]) for name in names}
        same_rows(columns)
        return np.stack([floats(column, name, precision) for name, column in columns.items()], axis=1)

    def split(self, data: Given, precision: str, what: str = "") -> Split:
        """Without y, the targets are columns of x."""
        y, table = data.y, as_table(data.x)
        source = as_table(y) or (table if y is None else None)
        if source is not None:
            missing = [name for name in self.target_names if name not in source]
            if missing:
                raise DataError(f"{what}y: the target '{missing[0]}' is missing.")
            y = [source[name] for name in self.target_names]
        targets = targets_of(y, self.loss.kind, self.width, precision, any_width=self.loss.own)
        inputs = self.inputs(data.x, precision, f"{what}x")
        return split_of(inputs, targets, weights_of(data.weights, precision, f"{what}sample_weight"))

    def outputs(self, outputs: NDArray[np.floating]) -> Any:
        """[rows] of one target, [rows, targets] of several."""
        return outputs[:, 0] if self.width == 1 else outputs


def as_table(x: Any) -> dict[str, Any] | None:
    """Return the columns of a mapping or a data frame by their names; None for other data."""
    if isinstance(x, Mapping):
        return {str(name): np.asarray(values) for name, values in x.items()}
    if hasattr(x, "columns"):
        return {str(name): np.asarray(x[name]) for name in x.columns}
    return None
