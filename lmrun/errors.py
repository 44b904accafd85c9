"""The errors that a user can meet, each with the exit code of the command line.

Every message is a sentence that says what happened, where, and what to try; the command line prints it
without a traceback.
"""

from __future__ import annotations

from typing import ClassVar


class LmrunError(Exception):
    """The base of all errors that lmrun raises on purpose; exit code 1."""

    exit_code: ClassVar[int] = 1


class UsageError(LmrunError):
    """The command line asks for something that does not exist; exit code 2."""

    exit_code: ClassVar[int] = 2


class ConfigError(LmrunError):
    """A config, or an override of it, is not valid; exit code 2.

    Args:
        problems: One line per problem, each `file:line:column: path: what is wrong`.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class DataError(LmrunError):
    """The data cannot be read, or does not fit the model; exit code 3."""

    exit_code: ClassVar[int] = 3


class MemoryRefusedError(LmrunError):
    """The run would not fit into memory and was not started; exit code 5."""

    exit_code: ClassVar[int] = 5


class PeerError(LmrunError):
    """Another worker of the same fit has failed; exit code 1."""


class WorkerLostError(LmrunError):
    """Another worker of the same fit is gone; the run can be resumed; exit code 6."""

    exit_code: ClassVar[int] = 6


class RunDirectoryError(LmrunError):
    """A run directory is missing, ambiguous, incomplete or damaged; exit code 2."""

    exit_code: ClassVar[int] = 2


class StorageError(RunDirectoryError):
    """A file cannot be written: the disk is full, or nothing may be written there; exit code 1."""

    exit_code: ClassVar[int] = 1
