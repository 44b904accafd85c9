"""Names by content: equal functions have one name, whatever was traced before; others have others."""

import gc
import weakref

import numpy as np
import tensorflow as tf

from lmrun.curvature.content import _named_by_content, flat_call


def looped(x, y):
    """A loop with a captured tensor, an argument that is returned, and a gradient."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(tf.tanh(x) * y)
    gradient = tape.gradient(value, x)
    total = tf.while_loop(
        lambda i, total: i < 3 + 0 * tf.cast(gradient[0], tf.int32),
        lambda i, total: (i + 1, total + tf.gather(gradient, i)),
        (tf.constant(0), tf.zeros([], x.dtype)),
    )[1]
    return value, gradient, total, y


def other(x, y):
    return looped(x, y + 1)


X, Y = (tf.constant(np.random.default_rng(3).normal(size=4)) for _ in range(2))


def traced(function, *arguments, fuse=True):
    compiled = tf.function(function, jit_compile=fuse, autograph=False)
    return compiled.get_concrete_function(*(arguments or (X, Y)))


def names(concrete):
    return [definition.signature.name for definition in _named_by_content(concrete)]


def test_the_name_does_not_depend_on_what_was_traced_before():
    first = traced(looped)
    tf.unstack(tf.zeros(1000))
    second = traced(looped)
    assert first.name != second.name
    assert names(first) == names(second)
    assert len(set(names(first))) == 3


def test_other_content_has_another_name():
    known = {names(traced(looped))[0], names(traced(looped, fuse=False))[0]}
    known.add(names(traced(other))[0].replace("other", "looped"))
    known.add(names(traced(looped, tf.cast(X, tf.float32), tf.cast(Y, tf.float32)))[0])
    known.add(names(traced(looped, X[:3], Y[:3]))[0])
    assert len(known) == 5


def test_the_copy_computes_the_same_bits():
    for fuse in (True, False):
        concrete = traced(looped, fuse=fuse)
        found, expected = flat_call(concrete)([X, Y]), concrete(X, Y)
        for one, another in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, another)


def test_the_copy_outlives_its_original():
    call = flat_call(traced(looped))
    np.testing.assert_allclose(call([X, Y])[0], looped(X, Y)[0], rtol=1e-14)


def test_a_function_that_holds_on_to_a_variable_reads_its_present_value():
    variable = tf.Variable(1.0, dtype=tf.float64)
    call = flat_call(traced(lambda x: x + variable, X))
    variable.assign(5.0)
    np.testing.assert_array_equal(call([X])[0], X + 5)


def test_a_gradient_of_its_own_does_not_keep_the_graph():
    @tf.custom_gradient
    def doubled(x):
        return 2 * x, lambda cotangent: 3 * cotangent

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = doubled(x)
        return tape.gradient(value, x)

    concrete = traced(slope, X)
    graph = weakref.ref(concrete.graph)
    call = flat_call(concrete)
    np.testing.assert_array_equal(call([X])[0], np.full(4, 3.0))
    del concrete
    gc.collect()
    assert graph() is None
