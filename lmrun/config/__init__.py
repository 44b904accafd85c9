"""Schema, YAML with positions, overrides and messages. Nothing here imports TensorFlow or NumPy."""
