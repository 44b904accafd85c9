"""Reproducible sums: the same bits by any number of workers and threads, from the data to the parameters."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import numpy as np
import pytest

from lmrun.build import as_params, build
from lmrun.config.load import load_config
from lmrun.curvature.reproducible import BlockTables
from lmrun.curvature.summation import Reproducible
from lmrun.distribution.reducer import Alone
from lmrun.errors import ConfigError, DataError
from lmrun.training.drivers import make_driver
from lmrun.training.evaluate import Evaluator
from lmrun.training.loop import schedule_of

COMMON = ("training.summation=reproducible", "training.batch_size=full", "training.target_loss=null")
SINC = ("sinc", "dataset.points=300", "dataset.validation_points=50", "model.hidden=[5]")
FORMULA = (
    "rosenbrock-curve",
    "dataset.points=100",
    "dataset.noise=0.1",
    "model.parameters.a={start: 1, max: 2.2}",
)
CASES = {
    "sinc": SINC,
    "projection": (*SINC, "optimizer.projection=variable", "optimizer.damping.scaling=marquardt"),
    "float32": (*SINC, "precision=float32"),
    "subset": (*SINC, "optimizer.subset={by: random, fraction: 0.5}"),
    "decay": (*SINC, "optimizer.regularization={name: decay, strength: 1e-4}"),
    "formula with bounds": FORMULA,
    "formula, huber": (*FORMULA, "loss=huber"),
}
STEPS = 12


class Threads(Alone):
    """One of several workers, each of which is a thread."""

    def __init__(self, index, told, ready):
        super().__init__()
        self.index, self.workers, self.told, self.ready = index, len(told), told, ready

    def _all(self, value):
        self.told[self.index] = value
        self.ready.wait()
        every = list(self.told)
        self.ready.wait()
        return every

    def total(self, *values):
        self.numbers += sum(int(np.size(value)) for value in values)
        # Each worker's turn comes at another place, as in a ring.
        return [sum(each[1:], each[0]) for each in zip(*reversed(self._all(values)), strict=True)]

    def stack(self, value):
        self.numbers += self.workers * int(np.size(value))
        return self._all(value)

    def gather(self, message):
        return self._all(message)


def trained(case, reducer, distribution="multi-worker"):
    """Return the bytes of all that a training says, and the numbers that a step moved."""
    config = load_config(case[0], [*COMMON, *case[1:], f"distribution={distribution}"]).config
    experiment = build(config, reducer)
    driver = make_driver(experiment, schedule_of(experiment))
    params = as_params(experiment)
    evaluator = Evaluator(experiment, experiment.dataset.validation or experiment.dataset.train)
    state, said = driver.init(params), [driver.full.weight, driver.zero_loss()]
    begun = reducer.numbers
    for step in range(STEPS):
        params, state, info = driver.advance(params, state, step, 1)
        said += [*info.losses, *np.asarray(params)]
    moved = (reducer.numbers - begun) / STEPS
    said += [*evaluator.metrics(params).values(), driver.full.gradient(params)[0]]
    return np.array(said, np.float64).tobytes(), moved, experiment


def by_workers(case, workers):
    """Return what each worker found."""
    told, ready = [None] * workers, Barrier(workers, timeout=60)

    def one(index):
        try:
            return trained(case, Threads(index, told, ready))
        except BaseException:
            # The others need not wait.
            ready.abort()
            raise

    with ThreadPoolExecutor(workers) as threads:
        done = [threads.submit(one, index) for index in range(workers)]
    for each in done:
        if each.exception() is not None and not isinstance(each.exception(), BrokenBarrierError):
            raise each.exception()
    return [each.result() for each in done]


@pytest.mark.parametrize("name", CASES)
def test_any_number_of_workers_makes_the_same_bits(name):
    alone, _, experiment = trained(CASES[name], Alone(), "none")
    assert isinstance(experiment.forms.take(experiment.dataset.train.rows), BlockTables)
    for workers in (2, 3) if name != "sinc" else (2, 3, 4, 7):
        for found, _, _ in by_workers(CASES[name], workers):
            assert found == alone


def test_any_number_of_threads_makes_the_same_bits(monkeypatch):
    alone, _, _ = trained(SINC, Alone(), "none")
    monkeypatch.setattr(Reproducible, "threads", lambda self, batch, algebra, kernels: 3)
    assert trained(SINC, Alone(), "none")[0] == alone


def test_plain_sums_would_not_do():
    assert (
        len(
            {
                trained((*SINC, "training.summation=plain"), Alone(), "none")[0],
                *(found for found, _, _ in by_workers((*SINC, "training.summation=plain"), 3)),
            }
        )
        > 1
    )


@pytest.mark.parametrize(("workers", "hidden"), [(2, 20), (4, 20)])
def test_a_step_moves_no_more_than_n_squared_plus_n_numbers(workers, hidden):
    case = (*SINC, f"model.hidden=[{hidden}]")
    (_, moved, experiment), *_ = by_workers(case, workers)
    n = experiment.network.size
    # Bounds and 3/2 of a triangle and of the acceleration, and pairs of each worker for the loss of a trial.
    assert 0.75 * n * n < moved <= n * n + n


def test_rows_that_lie_in_blocks_are_cut_by_all_workers_alike():
    alone = build(load_config("sinc", [*COMMON, *SINC[1:]]).config)
    assert alone.summation == Reproducible(32)
    assert alone.forms.chunk_rows(300) == alone.forms.chunk_rows(64) == 32
    shares = [experiment.dataset for _, _, experiment in by_workers(SINC, 3)]
    # Ten blocks, the last one of twelve rows.
    assert [(share.begin, share.train.rows) for share in shares] == [(0, 96), (96, 96), (192, 108)]


def test_more_workers_than_blocks_are_refused():
    with pytest.raises(DataError, match="11 workers for 10 blocks of 32 training rows"):
        by_workers(SINC, 11)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("optimizer=adam",), "training.summation: reproducible is for lm and gauss-newton, not for adam"),
        (
            ("optimizer=newton",),
            "training.summation: reproducible is for lm and gauss-newton, not for newton",
        ),
        (("training.batch_size=100",), "training.batch_size: samples and mini-batches cut the blocks"),
        (("training.batch_size=growing",), "training.batch_size: samples and mini-batches cut the blocks"),
        (("optimizer.solver=qr",), "optimizer.solver: qr sums in the order of the rows; use cholesky"),
        (("optimizer.solver=cg",), "optimizer.solver: cg sums in the order of the rows; use cholesky"),
        (("optimizer.rows=0.5",), "optimizer.rows: a sample of the rows cuts the blocks"),
        (("device=gpu",), "device: GPUs sum in an order of their own"),
        (("distribution=mirrored",), "distribution: GPUs sum in an order of their own"),
    ],
)
def test_what_sums_otherwise_is_refused(overrides, said):
    with pytest.raises(ConfigError) as raised:
        load_config("sinc", [*COMMON, *overrides])
    assert said in str(raised.value)


def test_models_that_are_compiled_are_refused():
    config = load_config("sinc", [*COMMON, "dataset.points=20", "model.activation=gelu"]).config
    with pytest.raises(
        ConfigError, match=r"training\.summation: reproducible is for formulas, and for networks"
    ):
        build(config)


def test_a_table_in_many_files_is_refused(tmp_path, monkeypatch):
    x = np.linspace(-1, 1, 40)
    for number, piece in enumerate(np.array_split(x, 2)):
        np.savez(tmp_path / f"part-{number}.npz", x=piece, y=np.sin(3 * piece))
    monkeypatch.chdir(tmp_path)
    text = (
        "dataset: {name: table, path: part-*.npz, inputs: [x], targets: [y]}\n"
        "model: {name: mlp, hidden: [2]}\n"
        "training: {summation: reproducible, max_steps: 3}\n"
    )
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"training\.summation: reproducible shares out blocks of rows"):
        by_workers((str(tmp_path / "config.yaml"),), 2)


def test_a_formula_is_solved_by_cholesky_where_nothing_else_is_said():
    config = load_config("rosenbrock-curve", ["training.summation=reproducible"]).config
    assert config.optimizer.solver.name == "cholesky"
    assert load_config("rosenbrock-curve").config.optimizer.solver.name == "qr"
