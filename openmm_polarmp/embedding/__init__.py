"""A model for a part of a System that a force field describes otherwise."""
