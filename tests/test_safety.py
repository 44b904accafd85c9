"""Nothing that is read may run: no unpickling, no evaluation, no loader that builds objects from a file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lmrun

ROOT = Path(lmrun.__file__).parent.parent
SOURCES = sorted(path for room in ("lmrun", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py"))
IMPORTS_USER_CODE = "lmrun/user_code.py"
"""The one place that runs code which a config names: a user's own module, by `module:attribute`."""

RUN_SCRIPTS = {"docs/reference.py", "benchmarks/contestants/lmrun_example.py"}
"""What runs scripts of the project itself, by their paths in it."""

UNPICKLING = {
    *("pickle", "_pickle", "cPickle", "pickletools", "copyreg", "dill", "cloudpickle", "joblib", "marshal"),
    *("shelve", "jsonpickle", "tables", "klepto"),
}
"""Modules that build objects from bytes, or run them."""
IMPORTING = {
    *(IMPORTS_USER_CODE, "lmrun/__init__.py", "lmrun/cli/__init__.py", "lmrun/cli/plot.py"),
    *("lmrun/sweep/executors/registry.py", "benchmarks/reliability/children.py"),
}
"""Where modules are imported by names that are not written out: the user's, and lmrun's by registries."""
KNOWN_AS = {
    "numpy": {None, "np"},
    "yaml": {None},
    "torch": {None},
    "pandas": {None, "pd"},
    "os": {None},
    "subprocess": {None},
}
FROM = {"numpy": {"load"}, "torch": {"load"}, "os": {"system"}, "builtins": {"eval", "exec", "compile"}}
"""What is only recognized by the name of its module."""
EVALUATING = {"eval", "exec", "compile", "__import__", "execfile", "input"}
METHODS = {
    *("eval", "query", "read_pickle", "to_pickle", "read_hdf", "to_hdf", "HDFStore"),  # pandas
    *("enable_unsafe_deserialization", "exec_module", "load_module", "run_path", "run_module"),
    *("py_function", "numpy_function"),  # of TensorFlow: they stand for Python code in a graph
    *("popen", "getoutput", "getstatusoutput", "mktemp"),
}
"""Attributes that are not called, whatever they are of."""
YAML = {"safe_load", "safe_load_all", "safe_dump", "safe_dump_all", "dump"}
"""Functions of PyYAML; `dump` with a safe dumper."""
YAML_CLASSES = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader", "Dumper"}


def dangers(source: str, name: str = "") -> Iterator[str]:
    """Yield what a module does that could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        for word in words(node, name):
            yield f"{name}:{getattr(node, 'lineno', 0)} {word}"


def words(node: ast.AST, name: str) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.partition(".")[0] in UNPICKLING)
            # By another name the scan would not know them.
            yield from (
                f"{alias.name} as {alias.asname}"
                for alias in names
                if alias.asname not in KNOWN_AS.get(alias.name, {alias.asname})
            )
        case ast.ImportFrom(module=str(module), names=names):
            if module.partition(".")[0] in UNPICKLING:
                yield module
            yield from (alias.name for alias in names if alias.name in EVALUATING | METHODS | {"load_model"})
            hidden = FROM.get(module, set())
            yield from (f"{module}.{alias.name}" for alias in names if alias.name in hidden)
            if module.partition(".")[0] == "yaml":
                yield from (
                    alias.name for alias in names if alias.name.endswith(("load", "Loader", "Dumper"))
                )
        case ast.Attribute(value=ast.Name(id="yaml"), attr=attribute):
            if attribute in YAML_CLASSES:
                yield f"yaml.{attribute}"
        case ast.Call(func=ast.Name(id=function)) if function in EVALUATING:
            yield function
        case ast.Call(func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[given, *_]):
            if name not in IMPORTING and not isinstance(given, ast.Constant):
                yield "import_module of a name that is not written out"
        case ast.Call(func=ast.Attribute(value=owner, attr=attribute), keywords=keywords):
            given = {keyword.arg: keyword.value for keyword in keywords}
            yield from method(ast.unparse(owner), attribute, given, name)
            if None in given and attribute in {"load", "load_model"}:
                yield f"{attribute} with arguments that are not written out"
        case ast.Name(id=function, ctx=ast.Load()) if function in {"eval", "exec", "__import__"}:
            yield function


def method(owner: str, attribute: str, given: dict[str | None, ast.expr], name: str) -> Iterator[str]:
    if f"{owner}.{attribute}" == "os.system":
        yield "os.system"
    own = (attribute == "exec_module" and name == IMPORTS_USER_CODE) or (
        attribute == "run_path" and name in RUN_SCRIPTS
    )
    if attribute in METHODS and not own:
        yield f"{owner}.{attribute}"
    if owner == "yaml" and attribute.endswith(("load", "load_all", "dump", "dump_all")):
        safe = attribute in YAML and (attribute != "dump" or "Dumper" in given)
        if not safe:
            yield f"yaml.{attribute}"
    if attribute == "load" and owner in {"np", "numpy"} and not is_constant(given.get("allow_pickle"), False):
        yield "np.load without allow_pickle=False"
    if attribute == "load" and owner == "torch" and not is_constant(given.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if attribute == "load_model" and not is_constant(given.get("safe_mode"), True):
        yield "load_model without safe_mode=True"
    if is_constant(given.get("safe_mode"), False) or is_constant(given.get("shell"), True):
        yield f"{attribute} with a safety switched off"


def is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_module_runs_what_it_reads():
    found = [
        danger
        for path in SOURCES
        for danger in dangers(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert len(SOURCES) > 300
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import numpy, pickle as p",
        "from joblib import load",
        "import marshal",
        "import shelve",
        "from dill import loads",
        "eval(text)",
        "exec(text)",
        "run = eval",
        "compile(text, '', 'exec')",
        "__import__(name)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "yaml.full_load(text)",
        "class Own(yaml.FullLoader): pass",
        "from yaml import unsafe_load",
        "yaml.dump(data)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, **options)",
        "numpy.load(path, allow_pickle=flag)",
        "keras.models.load_model(path)",
        "keras.models.load_model(path, safe_mode=False)",
        "from keras.models import load_model",
        "keras.config.enable_unsafe_deserialization()",
        "keras.saving.deserialize_keras_object(config, safe_mode=False)",
        "pd.read_pickle(path)",
        "pandas.read_hdf(path)",
        "frame.eval(text)",
        "frame.query(text)",
        "torch.load(path)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "spec.loader.exec_module(module)",
        "import numpy as numbers",
        "import yaml as reader",
        "from numpy import load",
        "from os import system",
        "from builtins import eval",
        "importlib.import_module(text)",
        "from importlib import import_module; import_module(text)",
    ],
)
def test_the_scan_sees(source):
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        "class Own(yaml.SafeLoader): pass",
        "yaml.safe_load(text)",
        "yaml.dump(data, Dumper=Own)",
        "np.load(path, allow_pickle=False)",
        "keras.models.load_model(path, compile=False, safe_mode=True)",
        "re.compile(text)",
        "model.compile(loss='mse')",
        "ast.parse(text, mode='eval')",
        "subprocess.run([program, text])",
        "import numpy as np, pandas as pd, yaml",
        "import_module('lmrun.cli')",
    ],
)
def test_the_scan_passes(source):
    assert not list(dangers(source))
