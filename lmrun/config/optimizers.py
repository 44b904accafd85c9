"""The `optimizer` section: one class per optimizer, chosen by `name`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from lmrun.config.base import PositiveFloat, PositiveInt, Problem, Section, ShortForm, raise_problems
from lmrun.config.damping import AcceptanceConfig, DampingConfig, DecreaseAcceptance, NielsenDamping
from lmrun.config.regularization import NoRegularization, RegularizationConfig, misfits_of_regularization
from lmrun.config.solvers import AutoSolver, SolverConfig
from lmrun.config.stochastic import AveragingConfig, Decay, NoAveraging, NoSubset, SubsetConfig
from lmrun.config.suggest import did_you_mean

Momentum = Annotated[float, Field(ge=0, lt=1)]


class SgdConfig(Section):
    """Gradient descent: v <- momentum v - learning_rate g; theta <- theta + v."""

    name: Literal["sgd"]
    learning_rate: PositiveFloat = 0.01
    """Length of a step per gradient (0.01: Keras)."""
    momentum: Momentum = 0.0
    """Share of the last step that is kept (Polyak 1964)."""
    nesterov: bool = False
    """Take the gradient ahead of the step (Nesterov 1983); needs a momentum."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise_problems([Problem(("nesterov",), "needs a momentum above 0; set momentum: 0.9")])
        return self


class AdamConfig(Section):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    name: Literal["adam"]
    learning_rate: PositiveFloat = 0.001
    """Length of a step (0.001: the paper)."""
    beta_1: Momentum = 0.9
    """Decay of the mean of gradients (the paper)."""
    beta_2: Momentum = 0.999
    """Decay of the mean of squared gradients (the paper)."""
    epsilon: PositiveFloat = 1e-7
    """Added to the root of the mean square (1e-7: Keras)."""
    amsgrad: bool = False
    """Use the largest mean square seen (Reddi, Kale and Kumar 2018)."""


KERAS_OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "adadelta": ("rho", "epsilon"),
    "adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "adagrad": ("initial_accumulator_value", "epsilon"),
    "adamax": ("beta_1", "beta_2", "epsilon"),
    "adamw": ("weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad"),
    "ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    "lamb": ("beta_1", "beta_2", "epsilon"),
    "lion": ("beta_1", "beta_2"),
    "muon": (
        "adam_beta_1",
        "adam_beta_2",
        "adam_weight_decay",
        "epsilon",
        "weight_decay",
        "rms_rate",
        "momentum",
        "ns_steps",
        "nesterov",
    ),
    "nadam": ("beta_1", "beta_2", "epsilon"),
    "rmsprop": ("rho", "momentum", "epsilon", "centered"),
    "schedulefreeadamw": ("beta_1", "beta_2", "epsilon", "warmup_steps", "weight_decay"),
}
"""The other optimizers of Keras and their arguments besides `learning_rate`; a test holds this equal to
Keras."""


class KerasOptimizerConfig(Section):
    """Any other Keras optimizer, with its own arguments as keys."""

    model_config = ConfigDict(extra="allow")

    name: Literal[
        "adadelta",
        "adafactor",
        "adagrad",
        "adamax",
        "adamw",
        "ftrl",
        "lamb",
        "lion",
        "muon",
        "nadam",
        "rmsprop",
        "schedulefreeadamw",
    ]
    learning_rate: PositiveFloat = 0.001
    """Length of a step (0.001: Keras)."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class besides its learning rate."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _known_arguments(self) -> Self:
        known = KERAS_OPTIMIZERS[self.name]
        problems = []
        for key, value in self.arguments.items():
            if key not in known:
                near = did_you_mean(key, ("learning_rate", *known))
                problems.append(Problem((key,), f"unknown key of {self.name}.{near}", on_key=True))
            elif not isinstance(value, int | float) or not math.isfinite(value):
                problems.append(Problem((key,), f"should be a finite number, true or false, not {value!r}"))
        raise_problems(problems)
        return self


class NoLineSearch(Section):
    """Go the whole way, uphill too."""

    name: Literal["none"]


class BacktrackingLineSearch(Section):
    """Go the whole way, or half of it, a quarter, ..., until the loss falls enough (Armijo 1966)."""

    name: Literal["backtracking"]
    decrease: Annotated[float, Field(gt=0, lt=0.5)] = 1e-4
    """Share of the loss' slope along the step by which it has to fall (1e-4: Nocedal and Wright 2006, section
    3.1); below 0.5, or the whole step of a quadratic function would be refused."""
    max_attempts: PositiveInt = 40
    """Lengths that are tried before a step is given up."""


LineSearchConfig = Annotated[
    Annotated[NoLineSearch | BacktrackingLineSearch, Field(discriminator="name")], ShortForm
]


class NewtonConfig(Section):
    """Newton's method with the full Hessian: theta <- theta - length H^-1 g."""

    name: Literal["newton"]
    hessian: Literal["modified", "exact"] = "modified"
    """`modified` adds to a Hessian that is not positive definite what makes it so, and steps go downhill
    (Nocedal and Wright 2006, algorithm 3.3); `exact` never does, and steps may lead to a saddle."""
    line_search: LineSearchConfig = BacktrackingLineSearch(name="backtracking")
    """`backtracking` shortens a step that does not lower the loss enough; `none` takes every step whole."""

    @model_validator(mode="after")
    def _searches_downhill(self) -> Self:
        if self.hessian == "exact" and self.line_search.name != "none":
            words = "exact may point uphill, where no length lowers the loss; add line_search: none"
            raise_problems([Problem(("hessian",), words)])
        return self


class GaussNewtonConfig(Section):
    """Gauss-Newton: theta <- theta - (J^T J)^-1 J^T r, each step taken whole."""

    name: Literal["gauss-newton"]
    solver: SolverConfig = AutoSolver(name="auto")
    """How a step is solved: `cholesky`, by J^T J or the smaller J J^T; `qr`, by J itself, which keeps twice
    the digits; `cg`, by conjugate gradients, without a matrix; `auto`, cholesky up to 4 GiB of matrices and
    cg beyond."""


class LmConfig(Section):
    """Levenberg-Marquardt: (J^T J + damping D) step = -J^T r, repeated with more damping until accepted."""

    name: Literal["lm"]
    damping: DampingConfig = NielsenDamping()
    """The update of the damping, its start and its scaling. Left out: for formulas over all rows
    `trust-region`."""
    acceptance: AcceptanceConfig = DecreaseAcceptance(name="decrease")
    """Which trials are taken: `decrease`, those that lower the loss; `gain-ratio`, those that lower it by
    more than a share of what was predicted (Moré 1978); or `module:attribute`, a class of your own."""
    acceleration: Literal["none", "geodesic"] | None = None
    """`geodesic` bends the step along the second derivative of the residuals (Transtrum, Machta and Sethna
    2011). Left out: `geodesic` for losses of numbers in float64, else `none`."""
    projection: Literal["none", "variable"] = "none"
    """`variable` solves for the linear last layer after every step, and steps by the other parameters alone
    (Golub and Pereyra 1973; Kaufman 1975); for mse over all rows. On the Rosenbrock networks it converges
    from more starts and further, on sinc it ends in poor minima."""
    regularization: RegularizationConfig = NoRegularization(name="none")
    """What large parameters of a network cost: `{name: decay, strength: 1e-4}` minimizes loss + strength
    |params|^2; `bayesian` finds the strength from the data, and with it how many parameters they determine
    (MacKay 1992; Foresee and Hagan 1997; MATLAB `trainbr`); for mse over all rows."""
    solver: SolverConfig = AutoSolver(name="auto")
    """How a step is solved: `cholesky`, by J^T J or the smaller J J^T; `qr`, by J itself, which keeps twice
    the digits; `cg`, by conjugate gradients, without a matrix; `auto`, cholesky up to 4 GiB of matrices and
    cg beyond. Left out: `auto`, and `qr` for formulas over all rows."""
    polishing: Literal["none", "undamped"] | None = None
    """`undamped` goes on where the loss can fall no further: steps without damping, as long as each is
    shorter than the one before. Left out: `undamped` for formulas over all rows, else `none`."""
    learning_rate: PositiveFloat = 1.0
    """Length of a step as a multiple of the solved one. Mini-batches disagree: below 1 a step averages over
    several of them."""
    learning_rate_decay: Decay = "none"
    """`linear` or `cosine` lowers the learning rate to zero over `training.max_steps` or
    `training.max_epochs`."""
    momentum: Momentum = 0.0
    """Share of the last move that is added to the step (Polyak 1964); a rejected trial goes on without it."""
    memory: Momentum = 0.0
    """Share of J^T J that is kept from the step before: batches that are too small for a J^T J of their own
    add up to one."""
    averaging: AveragingConfig = NoAveraging(name="none")
    """The model of mini-batches: `none`, the last step's; `polynomial` or `exponential`, an average of steps,
    in which the noise of the batches cancels (Polyak and Juditsky 1992)."""
    rows: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the rows that J^T J is computed of, drawn anew for each step; gradient and loss are of all
    rows (Drineas, Kannan and Mahoney 2006)."""
    subset: SubsetConfig = NoSubset(by="none")
    """The parameters that a step changes: all; `{by: random, fraction: 0.25}`, or `count: 50` of them; or
    `{by: layer}`, one layer after the other."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        problems = []
        if self.memory and self.solver.name in {"qr", "cg"}:
            words = (
                f"keeps a matrix J^T J, which solver: {self.solver.name} does without; use solver: cholesky"
            )
            problems.append(Problem(("memory",), words))
        if self.projection != "none" and self.subset.by != "none":
            words = "steps by all parameters but those of the last layer; use subset: none"
            problems.append(Problem(("projection",), words))
        if self.polishing == "undamped":
            problems += [
                Problem(
                    ("polishing",), f"is for steps by all rows and parameters; leave out {name}, or set none"
                )
                for name, is_set in (
                    ("memory", self.memory > 0),
                    ("rows", self.rows < 1),
                    ("subset", self.subset.by != "none"),
                    ("averaging", self.averaging.name != "none"),
                    ("projection", self.projection != "none"),
                )
                if is_set
            ]
        problems += misfits_of_regularization(self)
        if self.memory and self.subset.by != "none":
            words = "keeps J^T J by all parameters; use subset: none"
            problems.append(Problem(("memory",), words))
        raise_problems(problems)
        return self


def _optimizer_tag(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "keras" if isinstance(name, str) and name in KERAS_OPTIMIZERS else name


OptimizerConfig = Annotated[
    Annotated[
        Annotated[SgdConfig, Tag("sgd")]
        | Annotated[AdamConfig, Tag("adam")]
        | Annotated[NewtonConfig, Tag("newton")]
        | Annotated[GaussNewtonConfig, Tag("gauss-newton")]
        | Annotated[LmConfig, Tag("lm")]
        | Annotated[KerasOptimizerConfig, Tag("keras")],
        Discriminator(_optimizer_tag),
    ],
    ShortForm,
]

SECOND_ORDER = ("newton", "gauss-newton", "lm")
OPTIMIZER_NAMES = ("sgd", "adam", *SECOND_ORDER, *KERAS_OPTIMIZERS)
