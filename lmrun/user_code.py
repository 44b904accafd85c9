"""Import the user's own Python code by its name in a config: `module:attribute` or `file.py:attribute`.

Every room that takes such names (losses, strategies of the damping) loads them here. `config.user_code` has
their grammar and writes out where a file lies; nothing is imported before a run is built.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from lmrun.config.suggest import did_you_mean
from lmrun.errors import ConfigError

USER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What the code of a user can be expected to raise."""


def load(name: str, key: str) -> Any:
    """Return what a name stands for.

    Args:
        name: `module:attribute`, a module in the current directory or installed, or `file.py:attribute`.
        key: The config's key, for messages.

    Raises:
        ConfigError: There is no such file, module or attribute, or it cannot be imported.
    """
    module_name, _, attribute = name.rpartition(":")
    try:
        return _attribute(_module(module_name), attribute)
    except _UnusableError as error:
        raise ConfigError([f"{key}: {error}"]) from error


_given = itertools.count()
"""Programs' sets of objects."""


@contextmanager
def handed_over(section: Any) -> Iterator[Any]:
    """Give names to a program's own objects, by which `load` finds them while the context lasts.

    Args:
        section: Mappings and sequences of plain values, and of functions, classes and objects.

    Yields:
        The same, with `module:attribute` in the place of each object.
    """
    module = ModuleType(f"lmrun_given_{next(_given)}")
    sys.modules[module.__name__] = module
    try:
        yield _named(section, module)
    finally:
        del sys.modules[module.__name__]


def _named(value: Any, module: ModuleType) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {key: _named(one, module) for key, one in value.items()}
        case list() | tuple():
            return [_named(one, module) for one in value]
        case _ if getattr(value, "shape", None) is not None:
            # A number of NumPy's.
            return value
    own = getattr(value, "__name__", type(value).__name__)
    name = own if own.isidentifier() else "function"
    while hasattr(module, name):
        name += "_"
    setattr(module, name, value)
    return f"{module.__name__}:{name}"


class _UnusableError(Exception):
    """Why a user's code cannot be used."""


def told(error: BaseException) -> str:
    """Return an error's kind and words, and the line of the user's code that raised it."""
    words = f"{type(error).__name__}: {' '.join(str(error).split())}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_user_code(frame.filename)]
    if isinstance(error, SyntaxError) or not own:
        return words
    return f"{words} (line {own[-1].lineno} of {own[-1].filename})"


def _is_user_code(file: str) -> bool:
    path = Path(file)
    ours = path.is_relative_to(Path(__file__).parent)
    return not (file.startswith("<") or ours or "site-packages" in path.parts)


def _module(name: str) -> ModuleType:
    try:
        if name.endswith(".py"):
            return _from_file(Path(name))
        _make_importable(Path.cwd())
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _UnusableError(
                f"there is no module '{name}' beside the config, in the current directory or installed"
            ) from error
        raise _UnusableError(f"{name} cannot be imported: {told(error)}") from error
    except USER_ERRORS as error:
        raise _UnusableError(f"{name} cannot be imported: {told(error)}") from error


def _from_file(path: Path) -> ModuleType:
    """Import a file once, under its path as its name; what lies beside it can be imported from it."""
    if not path.is_file():
        raise _UnusableError(f"there is no file {path}")
    if str(path) in sys.modules:
        return sys.modules[str(path)]
    spec = importlib.util.spec_from_file_location(str(path), path)
    assert spec is not None, "a name that ends in .py has a loader"
    assert spec.loader is not None, "a name that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    _make_importable(path.parent)
    with ExitStack() as undo:
        # Decorators such as `dataclass` look their module up while it is being imported.
        sys.modules[str(path)] = module
        undo.callback(sys.modules.pop, str(path))
        spec.loader.exec_module(module)
        undo.pop_all()
    return module


def _make_importable(folder: Path) -> None:
    """At the end of the path, where it hides no installed module."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _attribute(module: ModuleType, name: str) -> Any:
    if not hasattr(module, name):
        public = [known for known, value in vars(module).items() if known[0] != "_" and callable(value)]
        file = getattr(module, "__file__", None) or module.__name__
        raise _UnusableError(f"{file} has no '{name}'.{did_you_mean(name, public)}")
    return getattr(module, name)
