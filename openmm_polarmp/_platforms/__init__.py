"""Loading the compiled plugin into OpenMM, trying its platforms, and the functions that C++ calls."""
