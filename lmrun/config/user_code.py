"""Names of the user's own Python code: `module:attribute` or `file.py:attribute`.

Nothing is imported here; `lmrun.user_code` does that when a run is built.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from lmrun.config.base import Section

PATTERN = re.compile(r"^(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*$")

UserName = Annotated[str, Field(pattern=PATTERN, examples=["my_module:MyClass", "my_file.py:MyClass"])]
"""A class of the user's own."""

UserFunction = Annotated[
    str, Field(pattern=PATTERN, examples=["my_module:my_function", "my_file.py:my_function"])
]
"""A function of the user's own."""


class UserArguments(Section):
    """A section whose unknown keys are the keyword arguments of a class of the user's own."""

    model_config = ConfigDict(extra="allow")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(self.model_extra or {})


def checksums(document: Any) -> dict[str, str]:
    """Return the SHA-256 of every file of the user's that a resolved config names; a missing one has "".

    What such a file imports is not looked at.
    """
    found: dict[str, str] = {}
    match document:
        case dict():
            for value in document.values():
                found |= checksums(value)
        case list() | tuple():
            for value in document:
                found |= checksums(value)
        case str() if PATTERN.match(document) and (file := document.rpartition(":")[0]).endswith(".py"):
            try:
                found[file] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            except OSError:
                found[file] = ""
    return found


def located(name: str, folders: Sequence[Path]) -> str:
    """Write out the file that holds a user's code, so that a saved config finds it from anywhere.

    Args:
        name: `file.py:attribute`, which starts at the first folder, or `module:attribute`.
        folders: Where a module may lie, the nearest first.

    Returns:
        The name with an absolute file; a module that lies in none of the folders stays as it is and is
        looked for among the installed packages.
    """
    module, _, attribute = name.rpartition(":")
    if module.endswith(".py"):
        return f"{os.path.abspath(folders[0] / os.path.expanduser(module))}:{attribute}"
    for folder in folders:
        file = folder.absolute().joinpath(*module.split(".")).with_suffix(".py")
        if module and file.is_file():
            return f"{file}:{attribute}"
    return name
