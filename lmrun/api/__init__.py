"""lmrun for Python programs: what `import lmrun` offers, and what stands behind `lmrun.keras`."""

from lmrun.quiet import load_tensorflow

# Before any module of this room imports TensorFlow: what it compiles is kept, and it does not greet.
load_tensorflow()
