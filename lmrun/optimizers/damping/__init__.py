"""The strategies that Levenberg-Marquardt is composed of: update and scaling of the damping, acceptance."""
