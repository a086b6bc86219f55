#include "openmm_polarmp/internal/LatentScale.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <sstream>

using namespace OpenMM;
using namespace PolarMPPlugin;
using namespace std;

LatentScale::LatentScale(const PolarMPForce& force, const MomentSet& moments)
    : epsInf(force.getEpsInf()), oneStep(force.getPolarizationType() != PolarMPForce::Mutual && !moments[SOFTNESS]) {
}

double LatentScale::of(double chi) const {
    return sqrt(oneStep ? epsInf * (1 - chi) : epsInf / (1 + chi));
}

double LatentScale::ofField(double chi) const {
    const double scale = of(chi);
    if (oneStep && chi >= 1) {
        stringstream message;
        message << "PolarMPForce: the polarizability of the box gives chi = " << chi
                << ", and moments that feel the permanent ones only would screen more than a whole field; in an external field less than 1 is accepted, "
                   "or mutual polarization";
        throw OpenMMException(message.str());
    }
    return scale;
}
