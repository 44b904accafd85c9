"""Networks and formulas, each a Keras model evaluated as a pure function of a flat parameter vector."""
