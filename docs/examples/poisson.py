"""A physics-informed network by lmrun.least_squares: Poisson's equation on the unit square.

    u_xx + u_yy = -2 pi^2 sin(pi x) sin(pi y),    u = 0 on the edges,    solution sin(pi x) sin(pi y).

The residuals contain second derivatives of the network by its inputs, from nested gradient tapes. The same
network is trained by Adam with the same residuals for comparison.

    python docs/examples/poisson.py
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

import lmrun


def network(width: int) -> keras.Model:
    """Return a network from (x, y) to u with two hidden layers, in float64."""
    keras.utils.set_random_seed(1)
    hidden = [keras.layers.Dense(width, activation="tanh", dtype="float64") for _ in range(2)]
    return keras.Sequential(
        [keras.Input((2,), dtype="float64"), *hidden, keras.layers.Dense(1, dtype="float64")]
    )


def poisson(points: int):
    """Return the residuals on a grid of points x points inside, and on the edges."""
    inside = (np.arange(points) + 0.5) / points
    x, y = (tf.constant(part.reshape(-1, 1)) for part in np.meshgrid(inside, inside))
    source = -2 * np.pi**2 * tf.sin(np.pi * x) * tf.sin(np.pi * y)
    along = np.linspace(0, 1, 2 * points)
    zero, one = np.zeros_like(along), np.ones_like(along)
    sides = [(along, zero), (along, one), (zero, along), (one, along)]
    edges = tf.constant(np.concatenate([np.stack(side, axis=1) for side in sides]))

    def residuals(model):
        with tf.GradientTape(persistent=True) as second:
            second.watch([x, y])
            with tf.GradientTape(persistent=True) as first:
                first.watch([x, y])
                u = model(tf.concat([x, y], axis=1))
            u_x, u_y = first.gradient(u, x), first.gradient(u, y)
        u_xx, u_yy = second.gradient(u_x, x), second.gradient(u_y, y)
        # The equation's terms are 2 pi^2, about 20, times as large as u itself.
        return [(u_xx + u_yy - source) / 20, model(edges)]

    return residuals


def error(model: keras.Model) -> float:
    """Return |u - solution| / |solution| on a grid of 101 x 101."""
    line = np.linspace(0, 1, 101)
    x, y = (part.ravel() for part in np.meshgrid(line, line))
    solution = np.sin(np.pi * x) * np.sin(np.pi * y)
    u = model(tf.constant(np.stack([x, y], axis=1))).numpy().ravel()
    return float(np.linalg.norm(u - solution) / np.linalg.norm(solution))


def loss_of(residuals, model) -> tf.Tensor:
    """Return the mean of the squared residuals."""
    return tf.reduce_mean(tf.square(tf.concat([tf.reshape(part, [-1]) for part in residuals(model)], 0)))


def by_adam(model: keras.Model, residuals, seconds: float) -> None:
    """Train by Adam with a learning rate that falls from 1e-2 to 1e-4, as long as `seconds`."""
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(residuals, model)
        slopes = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(slopes, model.trainable_variables, strict=True))

    step()
    began, share = time.monotonic(), 0.0
    while share < 1:
        optimizer.learning_rate = 1e-2 * 1e-2**share
        step()
        share = (time.monotonic() - began) / seconds


def draw(models: dict[str, keras.Model], path: str) -> None:
    """Draw the solution, and what each network lacks to it, into a file."""
    import matplotlib.pyplot as plt

    line = np.linspace(0, 1, 101)
    x, y = (part.ravel() for part in np.meshgrid(line, line))
    solution = np.sin(np.pi * x) * np.sin(np.pi * y)
    panels = {"solution u": solution}
    for name, model in models.items():
        panels[f"{name}: error of u"] = (
            model(tf.constant(np.stack([x, y], axis=1))).numpy().ravel() - solution
        )
    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.4), layout="constrained")
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        errors = values is not solution
        largest = np.abs(values).max()
        limits = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if errors else {"cmap": "viridis"}
        image = axis.pcolormesh(line, line, values.reshape(101, 101), rasterized=True, **limits)
        bar = figure.colorbar(image, ax=axis, format="%.1e" if errors else None)
        bar.outline.set_visible(False)
        axis.set(title=title, xlabel="x", ylabel="y", aspect="equal")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(
    width: int = 12, points: int = 16, steps: int = 200, picture: str | None = None
) -> dict[str, tuple[float, float]]:
    """Train by lmrun, then by Adam for as long; return loss and error of each."""
    residuals, found = poisson(points), {}
    model = network(width)
    models = {"lmrun": model}
    result = lmrun.least_squares(residuals, model, max_steps=steps)
    print(f"lmrun  {result.steps:6,} steps  {result.seconds:4.1f} s  ", end="")
    found["lmrun"] = result.loss, error(model)
    print("loss {:.1e}  error {:.1e}".format(*found["lmrun"]))
    model = network(width)
    models["Adam"] = model
    by_adam(model, residuals, result.seconds)
    found["adam"] = float(loss_of(residuals, model)), error(model)
    print(
        "Adam                    {:4.1f} s  loss {:.1e}  error {:.1e}".format(result.seconds, *found["adam"])
    )
    if picture is not None:
        draw(models, picture)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=12, help="neurons of each of the two hidden layers")
    parser.add_argument("--points", type=int, default=16, help="points inside, per side")
    parser.add_argument("--steps", type=int, default=200, help="of lmrun; Adam has the same time")
    parser.add_argument("--picture", help="a file for a picture of the solution and of both errors")
    main(**vars(parser.parse_args()))
