"""How each type of Keras layer computes with samples last, and its block of the Jacobian."""
