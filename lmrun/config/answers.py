"""The `answers` section: what a fit says of its parameters beside their values."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lmrun.config.base import Problem, Section, raise_problems

FEWEST_DRAWS = 100


class AnswersConfig(Section):
    """What a fit says of its parameters; a network's bands take the level alone."""

    level: float = 0.95
    """Of all intervals and bands."""
    known_sigma: bool = False
    """Whether `dataset.sigma` has the errors' standard deviations themselves. Otherwise they are relative to
    each other, and the residuals say how large they are."""
    profile: bool = False
    """Whether to find profile-likelihood intervals too."""
    bootstrap: Annotated[int, Field(ge=FEWEST_DRAWS)] | None = None
    """Number of fits to data drawn anew; left out, none."""
    draw: Literal["residual", "case", "normal"] | None = None
    """What the bootstrap draws: `residual`, the residuals; `case`, whole rows; `normal`, normal errors of the
    known sigma. Left out: `normal` where sigma is known, else `residual`."""

    @property
    def drawn(self) -> Literal["residual", "case", "normal"]:
        """What the bootstrap draws."""
        return self.draw or ("normal" if self.known_sigma else "residual")

    @property
    def plain(self) -> AnswersConfig:
        """The same without what takes further fits."""
        return AnswersConfig(level=self.level, known_sigma=self.known_sigma)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        words = refused_level(self.level)
        if words is not None:
            raise_problems([Problem(("level",), words)])
        if self.draw == "normal" and not self.known_sigma:
            words = "'normal' draws errors of a known size; set known_sigma: true, or draw residual or case"
            raise_problems([Problem(("draw",), words)])
        if self.draw == "residual" and self.known_sigma:
            words = "'residual' says what the errors scatter by, and sigma is known; draw normal or case"
            raise_problems([Problem(("draw",), words)])
        return self


def refused_level(level: float) -> str | None:
    """Return why there are no intervals of a level; None where there are."""
    if not 0 < level < 1:
        return f"should lie between 0 and 1, such as 0.95, not at {level:g}"
    if 0.5 + level / 2 == 1:
        return "is so near to 1 that its intervals have no end; 0.9999999999 is near enough"
    return None
