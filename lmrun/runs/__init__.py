"""Run directories: their layout, and the writing, reading and finding of what lies in them."""
