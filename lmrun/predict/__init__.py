"""A trained run on new rows: read by parts, predicted, written in the same format."""
