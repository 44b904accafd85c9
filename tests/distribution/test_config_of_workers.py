import pytest

from lmrun.config.load import load_config
from lmrun.errors import ConfigError
from lmrun.training.opening import prepare


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("optimizer=adam",), "distribution: multi-worker is for lm, gauss-newton and newton, not for adam"),
        (("answers.profile=true",), "answers.profile: needs all rows in one place"),
        (("answers.bootstrap=100",), "answers.bootstrap: needs all rows in one place"),
    ],
)
def test_what_needs_more_than_sums_is_refused(overrides, said):
    with pytest.raises(ConfigError) as raised:
        load_config("rosenbrock-curve", ["distribution=multi-worker", *overrides])
    assert said in str(raised.value)


def test_one_process_does_not_stand_for_several(tmp_path):
    loaded = load_config("rosenbrock-curve", ["distribution=multi-worker"])
    with pytest.raises(ConfigError, match="which is started once for each worker"):
        prepare(loaded, tmp_path, "alone", ["lmrun", "sweep"])
    assert not [*tmp_path.iterdir()]


def test_conjugate_gradients_are_not_mirrored():
    with pytest.raises(ConfigError, match=r"optimizer\.solver: cg is not for distribution: mirrored"):
        load_config("sinc", ["distribution=mirrored", "optimizer.solver=cg"])
