#include "openmm_polarmp/NetworkSource.h"
#include "BlockNetwork.h"
#include "NetworkEvaluation.h"
#include "ReferenceNetwork.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

string shapeText(const vector<int>& shape) {
    stringstream text;
    text << "[";
    for (size_t i = 0; i < shape.size(); i++)
        text << (i == 0 ? "" : ", ") << shape[i];
    text << "]";
    return text.str();
}

void checkCoupling(const SparseCoupling& coupling, int numLeft, int numRight, const string& name) {
    size_t terms = coupling.value.size();
    bool good = (coupling.row.size() == terms && coupling.left.size() == terms && coupling.right.size() == terms);
    for (size_t i = 0; good && i < terms; i++)
        good = (coupling.row[i] >= 0 && coupling.row[i] < coupling.numRows && coupling.left[i] >= 0 && coupling.left[i] < numLeft
                && coupling.right[i] >= 0 && coupling.right[i] < numRight);
    int rows = 0;
    for (size_t l = 0; l < coupling.paths.size(); l++)
        rows += coupling.paths[l] * (2 * l + 1);
    if (!good || rows != coupling.numRows)
        throw OpenMMException("NetworkParameters: the coupling '" + name + "' names components that do not exist");
}

} // namespace

const vector<double>& NetworkParameters::weight(const string& name, const vector<int>& shape) const {
    auto entry = weights.find(name);
    if (entry == weights.end())
        throw OpenMMException("NetworkParameters: the weight '" + name + "' is missing");
    size_t size = 1;
    for (int n : shape)
        size *= n;
    if (entry->second.shape != shape || entry->second.values.size() != size)
        throw OpenMMException("NetworkParameters: the weight '" + name + "' has the shape " + shapeText(entry->second.shape) + "; " + shapeText(shape)
                              + " is accepted");
    return entry->second.values;
}

void NetworkParameters::check() const {
    auto positive = [](const char* name, double value) {
        if (!(value > 0))
            throw OpenMMException("NetworkParameters: " + string(name) + " is " + to_string(value) + "; it must be positive");
    };
    auto within = [](const char* name, int value, int low, int high) {
        if (value < low || value > high)
            throw OpenMMException("NetworkParameters: " + string(name) + " is " + to_string(value) + "; " + to_string(low) + " to " + to_string(high)
                                  + " are accepted");
    };
    positive("numSpecies", numSpecies);
    positive("channels", channels);
    positive("messageChannels", messageChannels);
    positive("numRadial", numRadial);
    positive("hidden", hidden);
    positive("cutoff", cutoff);
    positive("radialScale", radialScale);
    within("layers", layers, 1, 3);
    within("lMax", lMax, 1, 2);
    within("lMessage", lMessage, 0, 1);
    within("correlation", correlation, 1, 4);
    if (!(densityLimit >= 0))
        throw OpenMMException("NetworkParameters: densityLimit is " + to_string(densityLimit) + "; positive numbers are accepted, and 0 for none");
    within("headDegree", headDegree(), 0, lMax);
    auto byKind = [&](const char* name, const vector<double>& values) {
        if ((int) values.size() != numSpecies)
            throw OpenMMException("NetworkParameters: " + string(name) + " has " + to_string(values.size()) + " values for " + to_string(numSpecies)
                                  + " species");
    };
    byKind("energyScale", energyScale);
    byKind("energyShift", energyShift);
    if (!zblNumber.empty()) {
        byKind("zblNumber", zblNumber);
        byKind("zblRadius", zblRadius);
    }
    if (!formalCharges.empty())
        byKind("formalCharges", formalCharges);
    if (equilibrates()) {
        byKind("electronegativities", electronegativities);
        positive("largestSoftness", largestSoftness);
        if (!charges || !softness || chargeProjection)
            throw OpenMMException("NetworkParameters: electronegativities are accepted with charges and softness, and without chargeProjection");
    }
    if (tensorToCartesian.size() != 45)
        throw OpenMMException("NetworkParameters: tensorToCartesian has " + to_string(tensorToCartesian.size()) + " values; 45 are accepted");
    int components = (lMax + 1) * (lMax + 1);
    checkCoupling(secondHarmonics, 3, 3, "secondHarmonics");
    checkCoupling(message, 3, components, "message");
    if ((int) products.size() != layers)
        throw OpenMMException("NetworkParameters: products has " + to_string(products.size()) + " entries for " + to_string(layers) + " layers");
    for (const vector<SparseCoupling>& layer : products) {
        if ((int) layer.size() != correlation - 1)
            throw OpenMMException("NetworkParameters: a layer has products of " + to_string(layer.size()) + " orders; " + to_string(correlation - 1)
                                  + " are accepted");
        for (const SparseCoupling& coupling : layer)
            checkCoupling(coupling, components, components, "products");
    }
}

NetworkSource::NetworkSource(shared_ptr<const NetworkParameters> parameters, vector<int> kinds, double totalCharge, bool doublePrecision)
        : parameters(parameters), kinds(kinds), totalCharge(totalCharge), doublePrecision(doublePrecision) {
    parameters->check();
    ReferenceNetwork(parameters, kinds);  // asks for every weight, so that a missing or misshapen one is reported here
    for (size_t i = 0; i < kinds.size(); i++)
        if (kinds[i] < 0 || kinds[i] >= parameters->numSpecies)
            throw OpenMMException("NetworkSource: the kind of particle " + to_string(i) + " is " + to_string(kinds[i]) + "; 0 to "
                                  + to_string(parameters->numSpecies - 1) + " are accepted");
    if (!isfinite(totalCharge))
        throw OpenMMException("NetworkSource: totalCharge must be a finite number");
}

MomentSet NetworkSource::getMomentSet() const {
    MomentSet moments;
    moments[DIPOLE] = parameters->dipoles;
    moments[QUADRUPOLE] = parameters->quadrupoles;
    moments[SOFTNESS] = parameters->softness;
    moments[POLARIZABILITY] = parameters->polarizability;
    moments.flows = parameters->flows();
    moments.conducts = parameters->conducts;
    return moments;
}

unique_ptr<SourceEvaluation> NetworkSource::bind(const SourceBuffers& buffers) {
    if (buffers.numParticles != getNumParticles())
        throw OpenMMException("NetworkSource: the buffers hold " + to_string(buffers.numParticles) + " particles, but the source describes "
                              + to_string(getNumParticles()));
    unique_ptr<NetworkPasses> passes;
    if (buffers.threads == nullptr)
        passes = make_unique<ReferenceNetwork>(parameters, kinds);
    else if (doublePrecision)
        passes = make_unique<BlockNetwork<double>>(parameters, kinds, *buffers.threads);
    else
        passes = make_unique<BlockNetwork<float>>(parameters, kinds, *buffers.threads);
    return make_unique<NetworkEvaluation>(*this, buffers, move(passes));
}
