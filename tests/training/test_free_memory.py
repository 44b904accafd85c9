"""The least of what machine, container and device have free."""

from types import SimpleNamespace

import pytest

from lmrun.training import free_memory as module
from lmrun.training.free_memory import Group, control_groups, free_memory


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def test_version_2_counts_every_group_around_the_process(tmp_path):
    proc = tmp_path / "cgroup"
    proc.write_text("0::/slice/unit\n")
    root = group(tmp_path / "groups")
    group(root / "slice", memory__max=900, memory__current=500, memory__stat="anon 1\ninactive_file 200")
    group(root / "slice" / "unit", memory__max="max", memory__current=100)
    assert list(control_groups(proc, root)) == [Group(900, 300)]
    # Within a container its own group is the root.
    group(root, memory__max=700, memory__current=100)
    assert list(control_groups(proc, root)) == [Group(700, 100), Group(900, 300)]


def test_version_1(tmp_path):
    proc = tmp_path / "cgroup"
    proc.write_text("4:cpu,memory:/box\n3:cpuset:/\n0::/\n")
    root = group(tmp_path / "groups")
    group(root / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=10)
    box = root / "memory" / "box"
    group(
        box, memory__limit_in_bytes=1000, memory__usage_in_bytes=600, memory__stat="total_inactive_file 100"
    )
    assert list(control_groups(proc, root)) == [Group(1000, 500)]


def test_no_groups_at_all(tmp_path):
    assert list(control_groups(tmp_path / "absent", tmp_path)) == []


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], (1000, "of this machine")),
        ([Group(900, 300)], (600, "of this container")),
        ([Group(1, 5)], (0, "of this container")),
    ],
)
def test_the_least_counts(monkeypatch, groups, expected):
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(module, "control_groups", lambda: iter(groups))
    assert free_memory() == expected


def test_a_gpu(monkeypatch):
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(module, "control_groups", lambda: iter([]))
    monkeypatch.setattr(module, "gpu_limit", lambda device: 70)
    assert free_memory("/GPU:0") == (70, "of /GPU:0")
    assert free_memory("/CPU:0") == (1000, "of this machine")


def test_tensorflow_tells_the_limit_of_a_device(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": 2**20, "peak": 0})
    (limit,) = {module.gpu_limit("/CPU:0")}
    assert limit > 2**20
    assert module.gpu_limit("/GPU:7") is None
