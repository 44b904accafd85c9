"""What a run needs, what it is refused for, and what would fit."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lmrun.build import build
from lmrun.config.document import parse
from lmrun.config.load import load_text, validate
from lmrun.config.schema import resolve
from lmrun.curvature.forms import FORMS, Sizes
from lmrun.distribution.reducer import Alone
from lmrun.errors import MemoryRefusedError
from lmrun.training import memory
from lmrun.training.estimate import MATRICES, MIB, Load, matrix_bytes, parts
from lmrun.training.fitting import advice, changed, settings_that_fit
from lmrun.training.free_memory import Free
from lmrun.training.loop import schedule_of

TEXT = """\
dataset: {{name: rosenbrock, dimension: 3, points: {points}}}
model: {{name: mlp, hidden: [{hidden}]}}
optimizer: {{name: lm, solver: {solver}}}
training: {{batch_size: full}}
"""


def text(points=2000, hidden=200, solver="auto"):
    return TEXT.format(points=points, hidden=hidden, solver=solver)


def config(**sizes):
    return resolve(validate(parse(text(**sizes), "c")))


@pytest.fixture(scope="module")
def experiment():
    return build(config())


def plan_of(experiment):
    return memory.plan(experiment, schedule_of(experiment))


def test_every_form_has_its_matrices():
    assert set(MATRICES) == set(FORMS)


@pytest.mark.parametrize("form", ["gram", "qr"])
def test_the_matrix_outgrows_all_else(form):
    loads = [Load(Sizes(count, 10**5, 8, 2), form) for count in (1000, 2000, 4000)]
    sizes = [matrix_bytes(load) for load in loads]
    assert sizes[1] == 4 * sizes[0]
    assert sizes[2] / sum(parts(loads[2]).values()) > 0.9


def test_a_plan_adds_up(experiment):
    plan = plan_of(experiment)
    assert (plan.form, plan.parameters) == ("gram", 1001)
    assert plan.needed == sum(plan.parts.values())
    assert 2 * plan.gram <= plan.held == plan.parts["matrices"]
    assert plan.held + 10 * MIB < plan.needed < plan.held + 150 * MIB
    assert plan.resident > 100 * MIB


def test_a_refusal_names_numbers_and_what_fits(experiment, monkeypatch):
    plan = plan_of(experiment)
    available = plan.needed - plan.gram
    monkeypatch.setattr(memory, "free_memory", lambda device: Free(available, "of this container"))
    with pytest.raises(MemoryRefusedError) as caught:
        memory.refuse_if_too_large(experiment, schedule_of(experiment))
    words = str(caught.value)
    assert memory.human(plan.needed) in words
    assert "matrices: " in words
    assert f"{memory.human(available)} of this container are free" in words
    fitting = words.partition("These would fit: ")[2].rstrip(".").split("; or ")
    assert fitting[0] == "precision=float32"
    # Each is true by the estimate of a run with these very settings.
    for settings in fitting:
        other = build(load_text(text(), Path("c.yaml"), settings.split()).config)
        assert plan_of(other).needed <= available


class Worker(Alone):
    """One of several workers of a fit; what it says, the others say too."""

    def __init__(self, workers, host=None):
        super().__init__()
        self.workers, self.host = workers, host

    def gather(self, message):
        other = message if self.host is None else message.replace(own_host(), self.host)
        return [message, *[other] * (self.workers - 1)]


def own_host():
    return socket.gethostname().encode()


def shared(reducer, solver="cholesky", batch="full"):
    overrides = ["distribution=multi-worker", f"training.batch_size={batch}"]
    return build(load_text(text(solver=solver), Path("c.yaml"), overrides).config, reducer)


@pytest.mark.parametrize(("solver", "batch"), [("cg", "full"), ("cg", "400"), ("cholesky", "growing")])
def test_a_worker_counts_its_own_rows(solver, batch):
    alone, one_of_four = plan_of(shared(Worker(1), solver, batch)), plan_of(shared(Worker(4), solver, batch))
    assert one_of_four.rows == alone.rows / 4
    assert one_of_four.batch_rows == alone.batch_rows / 4
    assert one_of_four.data == alone.data / 4
    assert one_of_four.needed < alone.needed


def test_workers_on_one_machine_share_its_memory(monkeypatch):
    experiment = shared(Worker(2))
    needed = plan_of(experiment).needed
    monkeypatch.setattr(memory, "free_memory", lambda device: Free(3 * needed // 2, "of this machine"))
    with pytest.raises(MemoryRefusedError, match="The 2 workers on this machine need"):
        memory.refuse_if_too_large(experiment, schedule_of(experiment))
    apart = replace(experiment, reducer=Worker(2, b"elsewhere"))
    memory.refuse_if_too_large(apart, schedule_of(apart))


def test_nothing_fits_into_nothing():
    assert settings_that_fit(config(), lambda other: 10, 5, 2000) == []
    assert "fewer parameters or rows" in advice([])


def test_settings_that_contain_others_are_not_repeated():
    found = settings_that_fit(config(), lambda other: 4 if "cg" in str(other.optimizer) else 9, 5, 2000)
    assert found == ["optimizer.solver=cg"]


def test_what_is_not_valid_is_not_proposed():
    with_memory = changed(config(), {"optimizer.memory": 0.5, "training.batch_size": 100})
    assert with_memory is not None
    assert changed(with_memory, {"optimizer.solver": "cg"}) is None
    assert changed(with_memory, {"optimizer.solver": "cg", "optimizer.memory": 0}) is not None


def test_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: Free(2**30, "of this machine"))
    with pytest.raises(MemoryRefusedError, match=r"These would fit: optimizer\.solver=cg"):
        memory.refuse_impossible(config(hidden=10_000, points=100_000, solver="cholesky"))
    monkeypatch.setattr(memory, "free_memory", lambda: Free(2**20, "of this machine"))
    with pytest.raises(MemoryRefusedError, match="fewer parameters or rows"):
        memory.refuse_impossible(config(hidden=10_000, points=100_000, solver="cholesky"))


def test_one_worker_and_several():
    shares = [
        MATRICES["gram"](Load(Sizes(100, 1000, 8, workers), "gram")) / 100**2 for workers in (1, 2, 3, 8)
    ]
    assert shares == [1.5, 2.0, 2.0, 4.5]


def test_the_compiler_counts():
    host, compiled = (
        parts(Load(Sizes(10, 10, 8, 2), "gram", compiles=compiles)) for compiles in (False, True)
    )
    assert "compiler" not in host
    assert compiled["compiler"] > 50 * MIB


def test_what_the_machine_has_counts(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: Free(100, "of this machine"))
    with pytest.raises(MemoryRefusedError, match="100 B of this machine are free"):
        memory.refuse_impossible(config())


def test_memory_that_ends_while_something_is_built(monkeypatch):
    def huge(*_, **__):
        raise MemoryError("no 72 TiB")

    monkeypatch.setattr("lmrun.build.load_dataset", huge)
    with pytest.raises(MemoryRefusedError, match="no 72 TiB"):
        build(config())
