"""Where the moments of `PolarMPForce` come from."""
