"""A trained model in the form in which it runs elsewhere."""
