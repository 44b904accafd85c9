"""YAML's syntax errors in the words of somebody who writes a config."""

from __future__ import annotations

import re

import yaml
from yaml.reader import ReaderError

WORDS: tuple[tuple[str, str], ...] = (
    (r"found character '\\t'", "a tab; indent with spaces"),
    (r"expected the node content", "a value that is missing, or a bracket that is never closed"),
    (r"mapping values are not allowed", "a ':' not expected here; check the indentation, or quote the value"),
    (r"sequence entries are not allowed", "a list item ('- ') has to start its own line; or write [a, b]"),
    (r"duplicate anchor", "an anchor (&) given twice; use another name"),
    (r"could not find expected ':'", "a line without 'key: value'"),
    (r"found unexpected end of stream", "a quote that is never closed"),
    (r"found unexpected document", "a quote that is never closed"),
    (r"expected ',' or '[\]}]'", "a bracket that is never closed, or a comma that is missing"),
    (r"expected <block end>, but found '-'", "a list item that is not indented like the others"),
    (r"expected <block end>", "wrong indentation, or a value that goes on after it has ended"),
    (r"expected a single document|expected '<document start>'", "only one document (---) is read"),
    (r"found undefined alias", "an alias (*) without its anchor (&); quote the value if it is text"),
    (r"found character '([@`%])' that cannot start", r"a value that starts with '\1' needs quotes"),
    (r"unacceptable character|special characters are not allowed", "a control character; remove it"),
)


OPENED = re.compile("quoted scalar|flow (mapping|sequence)")
"""What is never closed is best shown where it was opened."""


def yaml_words(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """Return line and column, both 1-based, of a syntax error and what is wrong there."""
    line, column, problem = 1, 1, str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        opened = OPENED.search(error.context or "")
        mark = (error.context_mark if opened else None) or error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.problem, error.context)))
        if mark is not None:
            line, column = mark.line + 1, mark.column + 1
    elif isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        problem = error.reason
    for pattern, words in WORDS:
        found = re.search(pattern, problem)
        if found:
            return line, column, f"not valid YAML: {found.expand(words)}"
    return line, column, f"not valid YAML: {problem}"
