#include "openmm_polarmp/internal/MutualErrors.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <numeric>
#include <sstream>

using namespace OpenMM;
using namespace std;

void PolarMPPlugin::throwNoConvergence(int iterations, double residual, double tolerance) {
    stringstream message;
    message << "PolarMPForce: the induced moments have not converged in " << iterations << " iterations: the residual is " << residual
            << ", the target epsilon " << tolerance << "; setMutualInducedMaxIterations and setMutualInducedTargetEpsilon change these";
    throw OpenMMException(message.str());
}

void PolarMPPlugin::throwCatastrophe(const vector<double>& lengths) {
    constexpr size_t MOST_NAMED = 4;
    constexpr double SHARE = 0.3;  // of the largest, from which on an atom is named
    vector<size_t> order(lengths.size());
    iota(order.begin(), order.end(), 0);
    const size_t named = min(MOST_NAMED, order.size());
    partial_sort(order.begin(), order.begin() + named, order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
    vector<size_t> atoms;
    for (size_t i = 0; i < named; i++)
        if (lengths[order[i]] > SHARE * lengths[order[0]])
            atoms.push_back(order[i]);
    sort(atoms.begin(), atoms.end());
    stringstream message;
    message << "PolarMPForce: polarization catastrophe: the induced moments of the force's atoms";
    for (size_t i = 0; i < atoms.size(); i++)
        message << (i == 0 ? " " : ", ") << atoms[i];
    message << " amplify each other without limit; smaller polarizabilities, softness or conductances, or larger distances are accepted";
    throw OpenMMException(message.str());
}
