"""Mixed systems: a model for some atoms, a force field for the rest."""
