"""The nearest known name for a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SYNONYMS = {
    "attempts_per_step": "damping",
    "damping_algorithm": "damping",
    "damping_mode": "scaling",
    "damping_strategy": "damping",
    "dec_factor": "decrease",
    "epochs": "max_epochs",
    "fletcher": "marquardt",
    "inc_factor": "increase",
    "lr": "learning_rate",
    "max_fail": "patience",
    "max_value": "maximum",
    "min_value": "minimum",
    "param_selection_strategy": "subset",
    "solve": "cholesky",
    "solve_method": "solver",
    "starting_value": "initial",
    "subset_size": "count",
    "weight_decay": "regularization",
}
"""Names that people know from elsewhere and that no distance would find."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that `word` was meant to be, or None where none is near."""
    names, word = list(known), word.lower()
    if SYNONYMS.get(word) in names:
        return SYNONYMS[word]
    slips = {name: distance(word, name.lower()) for name in names}
    best = min(names, key=slips.__getitem__, default="")
    if best and slips[best] <= max(1, len(word) // 3) and slips[best] < len(word):
        return best
    starts = [name for name in names if len(word) >= 3 and len(name) >= 3]
    starts = [name for name in starts if name.startswith(word) or word.startswith(name)]
    return next(iter([*starts, *get_close_matches(word, names, n=1, cutoff=0.7)]), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, else ` Known: a, b.`, else an empty string."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f" Did you mean '{near}'?"
    return f" Known: {', '.join(names)}." if names else ""


def distance(first: str, second: str) -> int:
    """Count the insertions, deletions, substitutions and swaps of neighbours between two words.

    Source: optimal string alignment, after Damerau (1964): `adma` is one slip from `adam`, two from `adamax`.
    """
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, start=1):
        row = [i]
        for j, b in enumerate(second, start=1):
            row.append(min(row[-1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + (a != b)))
            if i > 1 and j > 1 and a == second[j - 2] and b == first[i - 2]:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]
