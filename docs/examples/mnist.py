"""The MNIST example of the Levenberg-Marquardt packages: a convolutional network of 1,026 parameters."""

import keras
import numpy as np

import lmrun
from lmrun.datasets.mnist import read_mnist


def network() -> keras.Model:
    """Return a network from images to ten logits: five convolutions and a dense layer."""
    sizes = [(8, 4, 2), (4, 4, 2), (4, 2, 1), (4, 2, 1), (4, 2, 1)]
    hidden = [keras.layers.Conv2D(*size, activation="tanh") for size in sizes]
    return keras.Sequential(
        [keras.Input((28, 28, 1)), *hidden, keras.layers.Flatten(), keras.layers.Dense(10)]
    )


def main(rows: int = 60_000, epochs: int = 5, seed: int = 1) -> float:
    """Train, and return the share of the test images that are classified correctly."""
    keras.utils.set_random_seed(seed)
    digits = read_mnist()
    images = {part: digits[f"x_{part}"][..., np.newaxis] / np.float32(255) for part in ("train", "test")}
    result = lmrun.fit(
        network(),
        images["train"][:rows],
        digits["y_train"][:rows],
        loss={"name": "sparse_categorical_crossentropy", "curvature": "projected"},
        optimizer={
            "name": "lm",
            "learning_rate": 0.5,
            "learning_rate_decay": "linear",
            "memory": 0.97,
            "averaging": "polynomial",
        },
        damping={"update": "factor", "initial": 5, "increase": 4, "decrease": 1.11, "minimum": 0.15},
        batch_size=500,
        max_epochs=epochs,
        seed=seed,
    )
    accuracy = float(np.mean(result.predict(images["test"]).argmax(axis=1) == digits["y_test"]))
    print(f"test accuracy {accuracy:.2%} after {result.steps} steps in {result.seconds:.1f} s")
    return accuracy


if __name__ == "__main__":
    main()
