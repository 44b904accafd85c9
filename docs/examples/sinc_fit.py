"""The sinc example of the Levenberg-Marquardt packages: 20,000 points, a network of 61 parameters."""

import keras
import numpy as np

import lmrun


def network() -> keras.Model:
    """Return a network from x to y with 20 hidden units."""
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(20, "tanh"), keras.layers.Dense(1)])


def main(points: int = 20_000, seed: int = 1) -> lmrun.Result:
    """Fit sin(10 pi x) / (10 pi x) on [-1, 1] until the mean squared error is 1.03e-8."""
    keras.utils.set_random_seed(seed)
    x = np.linspace(-1, 1, points)
    y = np.sinc(10 * x)
    options = {"precision": "float64", "batch_size": "growing", "damping": {"scaling": "more"}}
    result = lmrun.fit(network(), x, y, target_loss=1.03e-8, **options)
    print(f"loss {result.loss:.2e} after {result.steps} steps in {result.seconds:.2f} s. {result.message}")
    return result


if __name__ == "__main__":
    main()
