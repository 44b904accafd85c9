"""Figures of finished runs, drawn without a display."""
