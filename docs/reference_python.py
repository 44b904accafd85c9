"""Write the reference page of the Python API from docstrings; nothing of lmrun is imported for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "lmrun"
NAMES = {
    "lmrun.fit": "api/fit.py",
    "lmrun.Result": "api/result.py",
    "lmrun.Trainer": "api/trainer.py",
    "lmrun.keras.LMModel": "api/lm_model.py",
    "lmrun.keras.Damping": "optimizers/damping/base.py",
    "lmrun.keras.DampingAlgorithm": "api/damping.py",
    "lmrun.keras.Residuals": "api/keras_losses.py",
    "lmrun.keras.ReducedOutputsMeanSquaredError": "api/keras_residuals.py",
    "lmrun.keras.SquaredCategoricalCrossentropy": "api/keras_residuals.py",
    "lmrun.keras.CategoricalMeanSquaredError": "api/keras_residuals.py",
    "lmrun.least_squares": "api/least_squares.py",
    "lmrun.errors": "errors.py",
}
"""What a program can use, and where it is defined."""
HEADINGS = ("Args", "Attributes", "Returns", "Raises", "Yields")
INSIDE = {"of", "get_config", "call", "carried", "section"}
"""Methods that only lmrun or Keras calls."""
Definition = ast.FunctionDef | ast.ClassDef


def python_page(note: str) -> str:
    """The page: each name with its signature and what its docstring says."""
    lines = [
        "# Python",
        "",
        f"*{note}* [lmrun in Python](../python.md) shows it at work; [from SciPy](../from-scipy.md) is about "
        "`least_squares`.",
        "",
    ]
    for name, file in NAMES.items():
        tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
        last = name.rpartition(".")[2]
        if last == "errors":
            lines += errors_of(name, tree)
            continue
        found = next(node for node in tree.body if isinstance(node, Definition) and node.name == last)
        lines += entry(name, found, "##")
        if isinstance(found, ast.ClassDef):
            for method in methods_of(found):
                lines += entry(f"{last}.{method.name}", method, "###")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def errors_of(name: str, tree: ast.Module) -> list[str]:
    """The kinds of errors, a line each."""
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    rows = [f"| `{kind.name}` | {first_line(kind)} |" for kind in kinds]
    return [f"## {name}", "", "| | |", "|---|---|", *rows, ""]


def first_line(node: Definition) -> str:
    """The first paragraph of a docstring."""
    return " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())


def methods_of(kind: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The public methods that are documented."""
    for node in kind.body:
        shown = isinstance(node, ast.FunctionDef) and node.name[0] != "_" and node.name not in INSIDE
        if (
            shown
            and ast.get_docstring(node)
            and not any("setter" in ast.unparse(d) for d in node.decorator_list)
        ):
            yield node


def entry(title: str, node: Definition, level: str) -> list[str]:
    """Heading, signature and docstring of a function, class or method."""
    lines = [f"{level} {title}", ""]
    signature = signature_of(title, node)
    if signature:
        lines += ["```text", signature, "```", ""]
    return lines + described(ast.get_docstring(node) or "")


def signature_of(title: str, node: Definition) -> str:
    """How it is called; nothing for a property."""
    name = title.rpartition(".")[2]
    if isinstance(node, ast.ClassDef):
        init = next(
            (one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None
        )
        if init is None:
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
            # A result is made by lmrun, not by a user.
            return "" if len(fields) > 10 else f"{name}({', '.join(ast.unparse(one) for one in fields)})"
        return wrapped(name, init)
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        return ""
    return wrapped(name, node)


def wrapped(name: str, node: ast.FunctionDef) -> str:
    """A signature on one line or, where it is long, with a line for each argument."""
    text = ast.unparse(node.args)
    arguments = [one for one in re.split(r", (?![^\[\(]*[\]\)])", text) if one != "self"]
    short = f"{name}({', '.join(arguments)})"
    if len(short) <= 90:
        return short
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), ")"])


def described(docstring: str) -> list[str]:
    """A docstring in Google's form as Markdown: its sections become lists."""
    lines: list[str] = []
    heading = None
    for line in docstring.splitlines():
        if line.rstrip(":") in HEADINGS and line.endswith(":"):
            heading = line.rstrip(":")
            lines += ["", f"**{heading}**", ""]
        elif heading is None or not line.startswith(" "):
            heading = None if line else heading
            lines.append(line)
        elif line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            name, colon, text = line.strip().partition(": ")
            plain = heading in {"Returns", "Yields"} or not colon
            lines.append(line.strip() if plain else f"* `{name}`: {text}")
    return [*lines, ""]
