"""The directions of the imports, and the habits that hold in every module; see docs/architecture.md."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lmrun
from lmrun.runs.layout import RunDirectory

PACKAGE = Path(lmrun.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LONGEST = 300
"""Lines of a module; near 200 is the habit, and beyond this it holds two ideas."""

ANYTHING = {room.stem for room in PACKAGE.iterdir()}
OUTPUT = {"runs", "compare", "plotting", "report", "predict", "export", "sweep"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "status": set(),
    "seeding": set(),
    "compile_cache": set(),
    "c_compiler": {"compile_cache"},
    "quiet": {"compile_cache"},
    "config": {"errors"},
    "user_code": {"config", "errors"},
    "linalg": {"errors"},
    "inference": {"linalg", "seeding", "errors"},
    "datasets": {"config", "seeding", "errors"},
    "distribution": {"datasets.base", "quiet", "errors"},
    "losses": {"config", "user_code", "errors"},
    "models": {"config", "errors", "datasets.base"},
    "curvature": {
        "c_compiler",
        "losses",
        "models",
        "linalg",
        "datasets.base",
        "distribution.reducer",
        "seeding",
        "errors",
    },
    # A Keras optimizer treats weights by their shapes, which the network knows.
    "optimizers": {
        "curvature",
        "linalg",
        "config",
        "user_code",
        "seeding",
        "status",
        "errors",
        "models.network",
    },
    "choices": {"config", "curvature", "errors", "linalg"},
    "build": ANYTHING - OUTPUT - {"cli", "__main__", "training"},
    "runs": {"config", "errors", "status"},
    "training": ANYTHING - {"cli", "__main__", "compare", "plotting", "report", "predict", "export", "sweep"},
    "compare": {"runs", "config", "errors", "status"},
    "plotting": {"runs", "compare", "config", "errors", "status"},
    "report": {"runs", "compare", "plotting", "config", "errors", "status"},
    "predict": {"runs", "datasets", "models", "config", "errors", "status"},
    "export": {"predict", "runs", "models", "config", "errors", "status"},
    "sweep": {
        "training",
        "runs",
        "config",
        "linalg.threads",
        "quiet",
        "seeding",
        "errors",
        "status",
        "build",
    },
    "api": ANYTHING - {"cli", "__main__", "compare", "plotting", "report", "predict", "export", "sweep"},
    "diagnosis": {"api", "build", "c_compiler", "compile_cache", "linalg", "training", "errors"},
    "keras": {"api", "optimizers"},
    "cli": ANYTHING,
    "__main__": {"cli"},
}
"""What a room may import of lmrun besides itself: whole rooms, or single modules of them."""

MAY_NOT_LOAD: dict[str, set[str]] = {
    "errors": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "status": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "config": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib"},
    "cli": {"numpy", "scipy", "tensorflow", "keras", "pandas", "matplotlib", "plotly", "jinja2"},
    "runs": {"tensorflow", "keras", "matplotlib"},
    "plotting": {"tensorflow", "keras"},
    "compare": {"tensorflow", "keras"},
    "report": {"tensorflow", "keras"},
    "predict": {"tensorflow", "keras"},
    "export": {"tensorflow", "keras"},
    "sweep": {"tensorflow", "keras", "pandas", "matplotlib"},
    "datasets": {"tensorflow", "keras", "matplotlib"},
    "inference": {"tensorflow", "keras", "pandas", "matplotlib"},
    "seeding": {"tensorflow", "keras"},
}
"""Packages that a room does not import when its modules are imported."""
NEVER_LOADS = {
    *("runs", "plotting", "report", "config", "errors", "status", "seeding", "datasets", "inference"),
}
"""Rooms for which that holds inside functions too, as far as TensorFlow is concerned."""

PRIVATE = ("tensorflow.python", "keras.src", "keras._", "numpy._", "scipy._", "pandas._", "pandas.core")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


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


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST) -> str:
    return f"{name_of(path)}:{getattr(node, 'lineno', 0)}"


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


def test_imports_follow_the_directions():
    assert not [
        f"{place(path, node)} imports {module}"
        for path in MODULES
        for module, node in imports(parse(path))
        if module.startswith("lmrun.") and room_of(path) != "__init__" and forbidden(room_of(path), module)
    ]


def test_imports_are_absolute():
    assert not [
        place(path, node)
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def test_no_module_uses_the_private_parts_of_a_framework():
    imported = [
        f"{place(path, node)} imports {module}"
        for path in MODULES
        for module, node in imports(parse(path))
        if module.startswith(PRIVATE)
    ]
    named = [
        f"{place(path, node)} uses {ast.unparse(node)}"
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith(("tf.python", *PRIVATE))
    ]
    assert not imported + named


def test_heavy_packages_stay_outside():
    assert not [
        f"{place(path, node)} imports {module}" for path in MODULES for module, node in heavy_imports(path)
    ]


def heavy_imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    room, tree = room_of(path), parse(path)
    lazy = {id(node) for scope in scopes(tree) for node in ast.walk(scope)}
    for module, node in imports(tree):
        package = module.partition(".")[0]
        excused = id(node) in lazy and not (room in NEVER_LOADS and package in {"tensorflow", "keras"})
        if package in MAY_NOT_LOAD.get(room, set()) and not excused:
            yield module, node


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
    """The names of files that `runs.layout` spells."""
    run = RunDirectory(Path("run"))
    properties = [name for name, value in vars(RunDirectory).items() if isinstance(value, property)]
    paths = [value for name in properties if isinstance(value := getattr(run, name), Path)]
    return {path.name for path in paths if path.suffix}


def test_the_layout_spells_files():
    assert {"config.yaml", "metrics.csv", "summary.json", "model.keras", "best.weights.h5"} <= run_files()


def test_only_the_layout_spells_the_files_of_a_run():
    names = run_files()
    assert not [
        f"{place(path, node)} {node.value!r}"
        for path in MODULES
        for node in strings(parse(path))
        if node.value in names and name_of(path) != "lmrun/runs/layout.py"
    ]


def test_modules_stay_short():
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: count for name, count in lines.items() if count > LONGEST}


def test_no_module_catches_everything_evaluates_prints_or_unpickles():
    assert not [place(path, node) for path in MODULES for node in ast.walk(parse(path)) if is_reckless(node)]


def is_reckless(node: ast.AST) -> bool:
    match node:
        case (
            ast.ExceptHandler(type=None) | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException"))
        ):
            return True
        case ast.Call(func=ast.Name(id="eval" | "exec" | "print")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load")):
            return True
        case ast.Import(names=names):
            return any(alias.name.partition(".")[0] == "pickle" for alias in names)
        case ast.ImportFrom(module="pickle"):
            return True
    return False
