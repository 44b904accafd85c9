"""What lmrun finds around it, and whether it computes what it should."""
