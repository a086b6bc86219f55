"""The compiled plugin on OpenMM's platforms: loading it, trying a platform, what C++ calls back."""
