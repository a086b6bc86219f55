"""Short-range networks of other projects as networks of a `PolarMPModel`."""
