import json

import pytest

from lmrun.distribution.cluster import cluster_of_environment, parse_workers
from lmrun.errors import UsageError


def environment(cluster, task):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_workers_are_named_in_order_by_their_addresses():
    cluster = parse_workers("node-a:7001, node-b:7001")
    assert cluster.addresses == ("node-a:7001", "node-b:7001")
    assert cluster.index is None
    assert cluster.words(1) == "worker 1 (node-b:7001)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node-a", "'node-a' is no address; write host:port"),
        ("a:7001,b:port", "'b:port' is no address"),
        ("a:70000", "'a:70000' is no address"),
        ("a:7001,", "'' is no address"),
        ("a:7001,a:7001", "an address is there twice"),
    ],
)
def test_what_is_no_list_of_addresses_is_refused(text, said):
    with pytest.raises(UsageError, match="--workers: ") as raised:
        parse_workers(text)
    assert said in str(raised.value)


def test_tf_config_says_which_worker_this_is():
    cluster = cluster_of_environment(
        environment({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, {"type": "worker", "index": 1})
    )
    assert cluster is not None
    assert (cluster.addresses, cluster.index) == (("a:1", "b:1", "c:1"), 2)


@pytest.mark.parametrize("text", [None, "", "{}", '{"task": {"type": "worker", "index": 0}}'])
def test_without_a_cluster_there_is_none(text):
    assert cluster_of_environment({} if text is None else {"TF_CONFIG": text}) is None


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TF_CONFIG": "worker"}, "cannot be read"),
        ({"TF_CONFIG": "[1]"}, "cannot be read"),
        (environment({"worker": ["a:1"]}, {}), "cannot be read"),
        (environment({"worker": ["a:1"]}, {"type": "evaluator", "index": 0}), "does not train"),
        (environment({"worker": ["a:1"]}, {"type": "worker", "index": 1}), "there is no worker 1"),
        (environment({"worker": ["a"]}, {"type": "worker", "index": 0}), "'a' is no address"),
    ],
)
def test_a_tf_config_that_says_something_else_is_refused(variables, said):
    with pytest.raises(UsageError, match=said):
        cluster_of_environment(variables)
