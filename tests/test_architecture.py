"""The directions of the imports, and the habits that hold in every module; see docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lmrun

PACKAGE = Path(lmrun.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LONGEST = 250

ANYTHING = {room.stem for room in PACKAGE.iterdir()}
OUTPUT = {"runs", "compare", "plotting", "report"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "status": set(),
    "seeding": set(),
    "quiet": set(),
    "config": {"errors"},
    "linalg": {"errors"},
    "datasets": {"config", "seeding", "errors"},
    "losses": {"config", "errors"},
    "models": {"config", "errors", "datasets.base"},
    "curvature": {"losses", "models", "linalg", "datasets.base", "errors"},
    # A Keras optimizer treats weights by their shapes, which the network knows.
    "optimizers": {"curvature", "linalg", "config", "status", "errors", "models.network"},
    "build": ANYTHING - OUTPUT - {"cli", "__main__", "training"},
    "runs": {"config", "errors", "status"},
    "training": ANYTHING - {"cli", "__main__", "compare", "plotting", "report"},
    "compare": {"runs", "config", "errors", "status"},
    "plotting": {"runs", "compare", "config", "errors", "status"},
    "cli": ANYTHING,
    "__main__": {"cli"},
}
"""What a room may import of lmrun besides itself: whole rooms, or single modules of them."""

MAY_NOT_LOAD: dict[str, set[str]] = {
    "errors": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "status": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "config": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "cli": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "runs": {"tensorflow", "keras", "matplotlib"},
    "plotting": {"tensorflow", "keras"},
    "compare": {"tensorflow", "keras"},
    "datasets": {"tensorflow", "keras", "matplotlib"},
    "seeding": {"tensorflow", "keras"},
}
"""Packages that a room does not import when its modules are imported."""
NEVER_LOADS = {"runs", "plotting", "config", "errors", "status", "seeding", "datasets"}
"""Rooms for which that holds inside functions too, as far as TensorFlow is concerned."""

PRIVATE = ("tensorflow.python", "keras.src", "keras._", "numpy._", "scipy._", "pandas._", "pandas.core")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


def room_of(path: Path) -> str:
    part = path.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Yield every imported module, `from a import b` as `a.b`, with the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def forbidden(room: str, module: str) -> bool:
    """Whether a room may not import `lmrun.module`; `from lmrun import __version__` is no room."""
    parts = module.split(".")[1:]
    if parts[0] == room or parts[0].startswith("__"):
        return False
    allowed = MAY_IMPORT[room]
    return not any(parts[: name.count(".") + 1] == name.split(".") for name in allowed)


def test_every_room_has_a_rule():
    rooms = {room_of(path) for path in MODULES} - {"__init__"}
    assert rooms <= set(MAY_IMPORT)


def test_the_rules_catch_what_they_forbid():
    assert forbidden("linalg", "lmrun.curvature.problem.Problem")
    assert forbidden("models", "lmrun.datasets.registry.load_dataset")
    assert not forbidden("models", "lmrun.datasets.base.Affine")
    assert forbidden("build", "lmrun.cli.main")
    assert forbidden("build", "lmrun.training.loop.train")
    assert not forbidden("linalg", "lmrun.linalg.algebra.Algebra")


@every_module
def test_imports_follow_the_directions(path):
    room = room_of(path)
    wrong = [
        f"{path.name}:{node.lineno} imports {module}"
        for module, node in imports(parse(path))
        if module.startswith("lmrun.") and room != "__init__" and forbidden(room, module)
    ]
    assert not wrong


@every_module
def test_imports_are_absolute_and_public(path):
    tree = parse(path)
    relative = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    private = [module for module, _ in imports(tree) if module.startswith(PRIVATE)]
    attributes = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(("tf.python", "keras.src"))
    ]
    assert not relative
    assert not private
    assert not attributes


@every_module
def test_heavy_packages_stay_outside(path):
    room, tree = room_of(path), parse(path)
    heavy = MAY_NOT_LOAD.get(room, set())
    inside = {id(node) for scope in scopes(tree) for node in ast.walk(scope)}
    wrong = []
    for module, node in imports(tree):
        package = module.partition(".")[0]
        lazy = id(node) in inside
        if package in heavy and (not lazy or (room in NEVER_LOADS and package in {"tensorflow", "keras"})):
            wrong.append(f"{path.name}:{node.lineno} imports {module}")
    assert not wrong


def scopes(tree: ast.AST) -> list[ast.AST]:
    """Functions, and what only a type checker reads."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the string constants that are values, docstrings left out."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


def run_files() -> set[str]:
    """The names that `runs.layout` spells: words with a suffix, and the folders."""
    from lmrun.runs.layout import RunDirectory

    run = RunDirectory(Path("run"))
    files = {
        value.name
        for name in vars(RunDirectory)
        if isinstance(vars(RunDirectory)[name], property) and isinstance(value := getattr(run, name), Path)
    }
    return {name for name in files if Path(name).suffix}


def test_the_layout_spells_files():
    assert {"config.yaml", "metrics.csv", "summary.json", "model.keras", "best.weights.h5"} <= run_files()


@every_module
def test_only_the_layout_spells_the_files_of_a_run(path):
    if name_of(path) == "lmrun/runs/layout.py":
        return
    spelled = run_files()
    wrong = [
        f"{path.name}:{node.lineno} {node.value!r}" for node in strings(parse(path)) if node.value in spelled
    ]
    assert not wrong


@every_module
def test_modules_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@every_module
def test_no_module_catches_everything_evaluates_or_unpickles(path):
    wrong = []
    for node in ast.walk(parse(path)):
        match node:
            case (
                ast.ExceptHandler(type=None)
                | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException"))
            ):
                wrong.append(node.lineno)
            case ast.Call(func=ast.Name(id="eval" | "exec" | "print")):
                wrong.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load")):
                wrong.append(node.lineno)
            case ast.Import(names=[ast.alias(name="pickle"), *_]):
                wrong.append(node.lineno)
    assert not wrong
