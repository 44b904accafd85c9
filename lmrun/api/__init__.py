"""lmrun from Python: what `import lmrun` offers, reached by its names there."""
