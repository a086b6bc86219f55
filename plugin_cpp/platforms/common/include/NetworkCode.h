#pragma once
#include "PackedWeights.h"
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/NetworkSource.h"
#include <map>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/**
 * The part of the kernels' text that is generated from a network's configuration: couplings unrolled term by term, products
 * of the density degree by degree, and sizes and offsets as numbers.
 */
class NetworkCode {
public:
    NetworkCode(const OpenMM::ComputeContext& cc, const NetworkParameters& parameters);
    std::map<std::string, std::string> defines;
    std::map<std::string, std::string> replacements;  // in the text of all kernels
    /** Replacements of the names in capitals in kernels/networkLayer.cc and kernels/networkMessage.cc, for each layer. */
    std::vector<std::map<std::string, std::string>> layerReplacements, messageReplacements;
    PackedWeights weights;
    int stageSize = 0;         // numbers that an atom's lanes exchange through LOCAL memory in the kernels of the layers
    int messageStageSize = 0;  // and in those of the messages
    /** Numbers that each layer saves per channel of an atom for the backward pass. */
    std::vector<int> saved;
    int mostFeatures = 0;

private:
    void harmonics();
    void radialAndKinds();
    void layer(int index);
    void message(int index);
    void heads();
    void edges();
    std::string productsForward(int layer);
    std::string productsBackward(int layer);
    std::string join(int layer);
    std::string send(int layer);
    void needStage(int numbers);
    const OpenMM::ComputeContext& cc;
    const NetworkParameters& p;
    const int c;  // channels
    std::string functions;
    std::vector<std::vector<int>> betweenPack, betweenTransposed;
};

} // namespace PolarMPPlugin
