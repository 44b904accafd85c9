import errno
import os

import pytest
import typer

from lmrun.cli import guarded


def failing(number: int) -> typer.Exit:
    """The end of a command in which the operating system refuses something."""

    def command() -> None:
        raise OSError(number, os.strerror(number), "/runs/a.png")

    with pytest.raises(typer.Exit) as ended:
        guarded(command)()
    return ended.value


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_no_mistake_in_lmrun(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(number).exit_code == 1
    said = capsys.readouterr().err
    assert said == f"Cannot write /runs/a.png: {os.strerror(number)}. Make room, or write elsewhere.\n"


def test_other_refusals_stay_unexpected() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        failing(errno.EBADF)
