"""What workers tell each other besides sums: documents and arrays, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.distribution.reducer import Reducer


def exchange(reducer: Reducer, document: Any) -> list[Any]:
    """Return every worker's document, anything that JSON can say, in the order of their indices."""
    return [json.loads(each) for each in reducer.gather(json.dumps(document).encode())]


def packed(document: Any, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a document and arrays of numbers as one message."""
    stream = BytesIO()
    # Numbered, as a name may hold what a member of a ZIP file must not.
    members = {str(number): np.asarray(array) for number, array in enumerate(arrays.values())}
    np.savez(stream, document=np.array(json.dumps([list(arrays), document])), **members)  # type: ignore[arg-type]
    return stream.getvalue()


def unpacked(message: bytes) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return what `packed` was given."""
    with np.load(BytesIO(message), allow_pickle=False) as members:
        names, document = json.loads(str(members["document"]))
        return document, {name: members[str(number)] for number, name in enumerate(names)}
