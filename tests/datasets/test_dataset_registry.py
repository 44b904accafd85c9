from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import TypeAdapter

from lmrun.config.datasets import DatasetConfig, SincConfig, TableConfig
from lmrun.config.losses import LossConfig
from lmrun.datasets import LOADERS, TargetKind, load_dataset
from lmrun.errors import DataError


def names(config: Any) -> set[str]:
    """The names that a section's union of classes accepts."""
    schema = TypeAdapter(config).json_schema()
    return set(schema["discriminator"]["mapping"])


def test_every_dataset_of_the_config_has_a_loader() -> None:
    assert names(DatasetConfig) == set(LOADERS)


def test_every_loss_of_the_config_knows_its_targets() -> None:
    adapter = TypeAdapter(LossConfig)
    plain = names(LossConfig) - {"custom"}
    assert {adapter.validate_python(name).targets for name in plain} == set(get_args(TargetKind))
    for kind in get_args(TargetKind):
        custom = adapter.validate_python({"name": "custom", "residual": "a:b", "targets": kind})
        assert custom.targets == kind


@pytest.mark.parametrize("name", ["rosenbrock-curve", "rosenbrock", "sinc", "sine"])
@pytest.mark.parametrize("targets", ["binary", "one_hot", "labels"])
def test_real_targets_refuse_a_loss_for_classes(name: str, targets: TargetKind) -> None:
    config: Any = TypeAdapter(DatasetConfig).validate_python({"name": name})
    with pytest.raises(DataError) as caught:
        load_dataset(config, seed=1, precision="float64", targets=targets)
    assert str(caught.value) == (
        f"the dataset '{name}' has a real-valued target and the loss wants classes;"
        " choose loss: mse, mae or huber."
    )


def test_equal_data_have_equal_checksums_and_different_data_do_not() -> None:
    def checksum(precision: Any = "float64", seed: int = 1, **options: Any) -> str:
        config = SincConfig(name="sinc", points=20, **options)
        return load_dataset(config, seed=seed, precision=precision).checksum

    assert checksum() == checksum() == checksum(seed=2)
    variants = [
        checksum(),
        checksum("float32"),
        checksum(noise=0.1),
        checksum(noise=0.1, seed=2),
        checksum(validation_points=3),
        checksum(frequency=9.0),
    ]
    assert len(set(variants)) == len(variants)
    assert all(len(variant) == 64 for variant in variants)


def test_names_and_units_are_part_of_the_checksum(tmp_path: Any) -> None:
    def checksum(header: str, factor: int, target: int = 1) -> str:
        path = tmp_path / "d.csv"
        path.write_text(header + "".join(f"\n{factor * x},{target * x * x}" for x in range(4)))
        config = TableConfig(
            name="table",
            path=str(path),
            inputs=(header.split(",", maxsplit=1)[0],),
            targets=("y",),
            normalization="minmax",
        )
        return load_dataset(config, seed=1, precision="float64").checksum

    assert len({checksum("x,y", 1), checksum("z,y", 1), checksum("x,y", 2), checksum("x,y", 1, 4)}) == 4


def test_arrays_are_contiguous_in_their_precision() -> None:
    for precision in ("float32", "float64"):
        config = SincConfig(name="sinc", points=9, validation_points=4)
        dataset = load_dataset(config, seed=1, precision=precision)  # type: ignore[arg-type]
        assert dataset.validation is not None
        for split in (dataset.train, dataset.validation):
            for array in (split.inputs, split.targets):
                assert array.flags.c_contiguous
                assert array.dtype == precision


def test_values_beyond_the_precision_are_refused(tmp_path: Any) -> None:
    path = tmp_path / "d.csv"
    path.write_text("x,y\n1,1e300\n2,3\n")
    config = TableConfig(name="table", path=str(path), inputs=("x",), targets=("y",), normalization="none")
    assert load_dataset(config, seed=1, precision="float64").train.targets.max() == 1e300
    with pytest.raises(DataError) as caught:
        load_dataset(config, seed=1, precision="float32")
    assert str(caught.value) == (
        "the dataset 'table' has training targets beyond the range of float32;"
        " scale the data or use a wider precision."
    )


def test_loading_needs_neither_tensorflow_nor_pandas() -> None:
    code = (
        "import sys; from lmrun.config.datasets import SincConfig; from lmrun.datasets import load_dataset;"
        "load_dataset(SincConfig(name='sinc'), seed=1, precision='float64');"
        "print([m for m in ('tensorflow', 'keras', 'pandas', 'pyarrow', 'scipy') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_a_loaded_dataset_is_immutable() -> None:
    dataset = load_dataset(SincConfig(name="sinc", points=3), seed=1, precision="float64")
    with pytest.raises(AttributeError):
        dataset.name = "other"  # type: ignore[misc]
    assert np.isfinite(dataset.train.inputs).all()
