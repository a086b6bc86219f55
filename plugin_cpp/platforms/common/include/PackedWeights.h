#pragma once
#include <vector>

namespace PolarMPPlugin {

/** A network's weights in the layout of the kernels: see kernels/network.cc. */
class PackedWeights {
public:
    /** Adds a matrix [rows, columns] in packs of four rows, padded with zeros; returns the index of its first pack. */
    int add(const std::vector<double>& matrix, int rows, int columns);
    /** Adds the transposed matrix. */
    int addTransposed(const std::vector<double>& matrix, int rows, int columns);
    /** Adds numbers that are read one by one; returns the index of the first. */
    int addPlain(const std::vector<double>& values);
    std::vector<double> packs, plain;
};

} // namespace PolarMPPlugin
