#pragma once
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/NetworkSource.h"
#include <map>
#include <string>
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

/**
 * The part of the kernels' text that follows from a network's configuration: couplings unrolled term by term, products
 * of the density degree by degree, and the sizes and places of everything as numbers.
 */
class NetworkCode {
public:
    /** @param lanes  threads of an atom, at least the number of channels */
    NetworkCode(const OpenMM::ComputeContext& cc, const NetworkParameters& parameters, int lanes);
    std::map<std::string, std::string> defines;
    std::map<std::string, std::string> replacements;
    PackedWeights weights;
    int stageSize = 0;  // numbers in LOCAL memory that an atom's lanes exchange

private:
    void harmonics();
    void radialAndKinds();
    void layer(int index);
    void heads();
    std::string productsForward(int layer);
    std::string productsBackward(int layer);
    void needStage(int numbers);
    const OpenMM::ComputeContext& cc;
    const NetworkParameters& p;
    const int c;          // channels
    std::string functions;  // of all layers' couplings
    std::vector<std::vector<int>> betweenPack, betweenTransposed;
};

} // namespace PolarMPPlugin
