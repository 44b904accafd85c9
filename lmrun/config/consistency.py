"""What has to fit between the sections of a config, as far as it can be known without the data.

Each check names the sections that it reads, so that it can run on those that are valid when others are not
and all problems of a file show at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lmrun.config.base import Problem
from lmrun.config.datasets import (
    MnistConfig,
    RosenbrockConfig,
    RosenbrockCurveConfig,
    SincConfig,
    SineConfig,
    TableConfig,
)
from lmrun.config.distribution_checks import sums_are_enough
from lmrun.config.expression import RESERVED, names_in, parse_expression, refusal
from lmrun.config.losses import CustomConfig
from lmrun.config.models import CnnConfig, FormulaConfig
from lmrun.config.optimizer_checks import (
    average_is_over_batches,
    bounds_are_kept,
    last_layer_can_be_solved_for,
    rate_can_decay,
    regularization_fits,
    restarts_are_by_lm,
)
from lmrun.config.optimizers import OPTIMIZER_NAMES, GaussNewtonConfig, LmConfig
from lmrun.config.suggest import did_you_mean
from lmrun.config.summation_checks import order_need_not_show

OF_ERRORS = ("mae", "huber", "soft_l1", "cauchy", "arctan")
"""Losses of outputs - targets besides mse."""
CROSSENTROPIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")


def input_columns(dataset: Any) -> tuple[str, ...] | None:
    """Return the names of a dataset's input columns; None for images."""
    match dataset:
        case RosenbrockCurveConfig():
            return ("x", "y")
        case SincConfig() | SineConfig():
            return ("x",)
        case RosenbrockConfig(dimension=dimension):
            return tuple(f"x{i + 1}" for i in range(dimension))
        case TableConfig(inputs=inputs):
            return inputs
    return None


def has_validation(dataset: Any) -> bool:
    """Whether a dataset holds rows out for validation."""
    match dataset:
        case (
            RosenbrockConfig(validation_points=points)
            | SincConfig(validation_points=points)
            | SineConfig(validation_points=points)
        ):
            return points > 0
        case MnistConfig(validation=share):
            return share > 0
        case TableConfig(split=split) if split is not None:
            return bool(split.validation)
    return False


def target_columns(dataset: Any) -> tuple[str, ...] | None:
    """Return the names of a table's target columns; None for other datasets, which have one."""
    return dataset.targets if isinstance(dataset, TableConfig) else None


def _formula_fits(dataset: Any, model: Any) -> Iterator[Problem]:
    if not isinstance(model, FormulaConfig):
        return
    columns = input_columns(dataset)
    if columns is None:
        yield Problem(("model",), f"a formula reads columns, but {dataset.name} has images; use mlp or cnn")
        return
    yield from _every_target_has_an_expression(dataset, model)
    if isinstance(dataset, TableConfig):
        for i, column in enumerate(columns):
            if column in RESERVED:
                words = f"'{column}' is the name of a function or constant; a formula needs another name"
                yield Problem(("dataset", "inputs", i), words)
    texts = [*model.expressions.values(), *(one.expression or "" for one in model.tied.values())]
    used = {name for text in texts for name in names_in(parse_expression(text))}
    for name in model.parameters:
        path = ("model", "parameters", name)
        if name in columns:
            yield Problem(path, "is the name of an input too; rename the parameter", on_key=True)
        if name not in used:
            words = "does not occur in the expression; use or remove it"
            yield Problem(path, words, on_key=True)
    for way, text in model.expressions.items():
        words_or_none = refusal(text, {*columns, *model.parameters} - RESERVED)
        if words_or_none is not None:
            yield Problem(("model", *way), words_or_none)


def _every_target_has_an_expression(dataset: Any, model: FormulaConfig) -> Iterator[Problem]:
    targets = target_columns(dataset)
    if isinstance(model.expression, str):
        if targets is not None and len(targets) > 1:
            names = ", ".join(f"{target}: ..." for target in targets)
            words = f"one expression predicts one column, not {len(targets)}; write {{{names}}}"
            yield Problem(("model", "expression"), words)
        return
    if targets is None:
        words = f"should be a single expression: {dataset.name} has one target, without a name"
        yield Problem(("model", "expression"), words)
        return
    for target in model.expression:
        if target not in targets:
            words = f"'{target}' is no target.{did_you_mean(target, targets)}"
            yield Problem(("model", "expression", target), words, on_key=True)
    missing = [target for target in targets if target not in model.expression]
    if missing:
        words = f"has none for the target '{missing[0]}'; every target needs one"
        yield Problem(("model", "expression"), words)


def _cnn_has_images(dataset: Any, model: Any) -> Iterator[Problem]:
    if isinstance(model, CnnConfig) and input_columns(dataset) is not None:
        yield Problem(
            ("model",), f"a cnn needs images, but {dataset.name} has columns; use mlp, or dataset: mnist"
        )


def _loss_fits(dataset: Any, loss: Any) -> Iterator[Problem]:
    if loss is None or loss.targets == "values" or isinstance(dataset, MnistConfig):
        return
    custom = isinstance(loss, CustomConfig)
    path, name = (("loss", "targets"), loss.targets) if custom else (("loss",), loss.name)
    of_numbers, of_labels = ("values", "labels") if custom else ("mse", "sparse_categorical_crossentropy")
    if not isinstance(dataset, TableConfig):
        yield Problem(path, f"{name} needs classes, but {dataset.name} has real numbers; use {of_numbers}")
    elif loss.targets == "one_hot" and len(dataset.targets) == 1:
        words = f"{name} needs one target column per class; for a column of labels use {of_labels}"
        yield Problem(path, words)
    elif loss.targets == "labels" and len(dataset.targets) > 1:
        yield Problem(path, f"{name} needs one target column, not {len(dataset.targets)}")


def _patience_can_count(dataset: Any, training: Any) -> Iterator[Problem]:
    if training.patience is not None and not has_validation(dataset):
        hints = {
            "rosenbrock-curve": ", which rosenbrock-curve does not have",
            "rosenbrock": "; set dataset.validation_points",
            "sinc": "; set dataset.validation_points",
            "sine": "; set dataset.validation_points",
            "mnist": "; set dataset.validation",
            "table": "; add a split to the dataset",
        }
        yield Problem(("training", "patience"), f"needs validation rows{hints.get(dataset.name, '')}")


def _alternatives_name_optimizers(alternatives: Any) -> Iterator[Problem]:
    for name, alternative in alternatives.items():
        if name not in OPTIMIZER_NAMES:
            words = f"unknown optimizer '{name}'.{did_you_mean(name, OPTIMIZER_NAMES)}"
            yield Problem(("alternatives", name), words, on_key=True)
        elif alternative.optimizer is not None and alternative.optimizer.name != name:
            words = f"should be {name}, the alternative's own name, not {alternative.optimizer.name}"
            yield Problem(("alternatives", name, "optimizer", "name"), words)


def _deviations_divide_errors(
    dataset: Any, model: Any, loss: Any, optimizer: Any, training: Any
) -> Iterator[Problem]:
    """A single column under mse is but weights of rows; all else is for fits of formulas."""
    sigma = dataset.sigma if isinstance(dataset, TableConfig) else None
    name = "mse" if loss is None else loss.name
    several = not isinstance(sigma, str)
    if sigma is None or (name == "mse" and not several):
        return
    path = ("dataset", "sigma")
    what = "one column for each target" if several else f"with loss: {name}"
    if name not in ("mse", *OF_ERRORS):
        yield Problem(path, f"divides errors, of which {name} has none; use loss: mse, or sample_weight")
    elif not isinstance(model, FormulaConfig):
        yield Problem(path, f"{what} is for formulas; use a single column and loss: mse, or sample_weight")
    elif not isinstance(optimizer, GaussNewtonConfig | LmConfig) or training.batch_size != "full":
        words = "is for optimizer: lm or gauss-newton and training.batch_size: full; use those"
        yield Problem(path, f"{what} {words}, or a single column and loss: mse")


def _answers_are_of_least_squares(dataset: Any, model: Any, loss: Any, answers: Any) -> Iterator[Problem]:
    if answers.known_sigma and not (isinstance(dataset, TableConfig) and dataset.sigma is not None):
        words = "says what dataset.sigma means; name its column too, or leave this out"
        yield Problem(("answers", "known_sigma"), words)
    for name in ("known_sigma", "profile", "bootstrap"):
        if not getattr(answers, name):
            continue
        if not isinstance(model, FormulaConfig):
            yield Problem(("answers", name), f"is for formulas, and the model is {model.name}; leave it out")
        elif loss is not None and loss.name != "mse":
            words = f"is for least squares, loss: mse, and not for {loss.name}; leave it out"
            yield Problem(("answers", name), words)


CHECKS: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Problem]]], ...] = (
    (("dataset", "model"), _formula_fits),
    (("dataset", "model"), _cnn_has_images),
    (("optimizer", "model"), bounds_are_kept),
    (("optimizer", "model", "training"), restarts_are_by_lm),
    (("dataset", "loss"), _loss_fits),
    (("dataset", "model", "loss", "optimizer", "training"), _deviations_divide_errors),
    (("dataset", "model", "loss", "answers"), _answers_are_of_least_squares),
    (("dataset", "training"), _patience_can_count),
    (("optimizer", "training"), rate_can_decay),
    (("optimizer", "training"), average_is_over_batches),
    (("optimizer", "model", "dataset", "loss", "training"), last_layer_can_be_solved_for),
    (("optimizer", "model", "dataset", "loss", "training"), regularization_fits),
    (("distribution", "optimizer", "training", "dataset", "answers"), sums_are_enough),
    (("training", "optimizer", "device", "distribution"), order_need_not_show),
    (("alternatives",), _alternatives_name_optimizers),
)
"""The sections that each check reads, and the check."""


def problems_between(sections: Mapping[str, Any]) -> list[Problem]:
    """Run every check whose sections are there.

    Args:
        sections: The valid sections by name, as the fields of `schema.Config`.
    """
    return [
        problem
        for needs, check in CHECKS
        if all(name in sections for name in needs)
        for problem in check(*(sections[name] for name in needs))
    ]
