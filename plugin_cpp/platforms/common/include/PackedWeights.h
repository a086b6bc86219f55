#pragma once
#include <vector>

namespace PolarMPPlugin {

/** A network's weights, packed as the kernels read them: kernels/network.cc. */
class PackedWeights {
public:
    /** A matrix [rows, columns] in packs of four rows; returns where it begins, in packs. Missing rows are zero. */
    int add(const std::vector<double>& matrix, int rows, int columns);
    /** The same for the transposed matrix. */
    int addTransposed(const std::vector<double>& matrix, int rows, int columns);
    /** Numbers that are read one by one; returns where they begin. */
    int addPlain(const std::vector<double>& values);
    std::vector<double> packs, plain;
};

} // namespace PolarMPPlugin
