"""The compositions in NumPy, from the least that a format has, beside NumPy's and SciPy's own."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from lmrun.errors import UsageError
from lmrun.export.functions import COMPOSED, Functions

LEAST = ("exp", "log", "sqrt", "abs", "sign", "sin", "cos", "tanh", "arctan2", "where")
FUNCTIONS = Functions(
    {**{name: getattr(np, name) for name in LEAST}, "relu": lambda x: np.maximum(x, 0)}, np.asarray
)

REFERENCE: dict[str, Callable[..., np.ndarray]] = {
    **{name: getattr(np, name) for name in ("expm1", "log1p", "log2", "log10", "tan", "sinh", "cosh")},
    **{f"arc{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "erf": special.erf,
    "linear": lambda x: x,
    "sigmoid": special.expit,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "gelu": lambda x: 0.5 * x * (1 + special.erf(x * float(np.float32(np.sqrt(0.5))))),
    "silu": lambda x: x * special.expit(x),
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
}
BOUNDS = {
    "log1p": (-0.999, 1e6),
    "log2": (1e-9, 1e9),
    "log10": (1e-9, 1e9),
    "arcsin": (-1, 1),
    "arccos": (-1, 1),
    "arctanh": (-0.999, 0.999),
    "arccosh": (1, 1e6),
    "arcsinh": (-1e6, 1e6),
    "arctan": (-1e300, 1e300),
    # Cancels where it is small: agrees absolutely only.
    "tan": (-1.5, 1.5),
    "gelu": (-3, 30),
}


def test_there_is_a_reference_for_each() -> None:
    assert REFERENCE.keys() == COMPOSED.keys()


@pytest.mark.parametrize("name", sorted(REFERENCE))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_compositions_keep_their_digits(name: str) -> None:
    low, high = BOUNDS.get(name, (-30, 30))

    @given(
        st.floats(low, high) | st.floats(max(low, -1e-3), min(high, 1e-3))
        if low < 1e-3
        else st.floats(low, high)
    )
    def agrees(x: float) -> None:
        np.testing.assert_allclose(
            FUNCTIONS(name, x), REFERENCE[name](np.float64(x)), rtol=2e-14, atol=1e-300
        )

    agrees()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="The activation mish cannot be written"):
        FUNCTIONS("mish", 1.0)
