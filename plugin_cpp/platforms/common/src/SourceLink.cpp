#include "SourceLink.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <cstdlib>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void PolarMPPlugin::refuse(const string& quantity, int particle, double value) {
    stringstream message;
    message << "PolarMPForce: the " << quantity << " of particle " << particle << " is " << value << "; it must "
            << (isfinite(value) ? "not be negative" : "be a finite number");
    throw OpenMMException(message.str());
}

void PolarMPPlugin::refuseEnergy() {
    throw OpenMMException("PolarMPForce: the energy that the source of moments gave is not a finite number");
}

void SourceArrays::initialize(ComputeContext& cc, int n) {
    bool isDouble = cc.getUseDoublePrecision();
    int real = isDouble ? sizeof(double) : sizeof(float);
    int mixed = (isDouble || cc.getUseMixedPrecision()) ? sizeof(double) : sizeof(float);
    positions.initialize(cc, 3 * n, mixed, "polarmpPositions");
    energy.initialize(cc, 1, mixed, "polarmpSourceEnergy");
    charges.initialize(cc, n, real, "polarmpCharges");
    dipoles.initialize(cc, 3 * n, real, "polarmpDipoles");
    quadrupoles.initialize(cc, 9 * n, real, "polarmpQuadrupoles");
    softness.initialize(cc, n, real, "polarmpSoftness");
    polarizability.initialize(cc, 9 * n, real, "polarmpPolarizability");
    chargeGradients.initialize(cc, n, real, "polarmpChargeGradients");
    dipoleGradients.initialize(cc, 3 * n, real, "polarmpDipoleGradients");
    quadrupoleGradients.initialize(cc, 9 * n, real, "polarmpQuadrupoleGradients");
    softnessGradients.initialize(cc, n, real, "polarmpSoftnessGradients");
    polarizabilityGradients.initialize(cc, 9 * n, real, "polarmpPolarizabilityGradients");
    forces.initialize(cc, 3 * n, real, "polarmpSourceForces");
    for (ComputeArray* array : {&energy, &charges, &dipoles, &quadrupoles, &softness, &polarizability, &chargeGradients, &dipoleGradients,
                                &quadrupoleGradients, &softnessGradients, &polarizabilityGradients, &forces})
        cc.clearBuffer(*array);
}

void HostLink::Copy::download() {
    array->download(memory.data());
}

void HostLink::Copy::upload() {
    array->upload(memory.data());
}

double HostLink::Copy::operator[](int i) const {
    return isDouble ? reinterpret_cast<const double*>(memory.data())[i] : reinterpret_cast<const float*>(memory.data())[i];
}

HostLink::Copy HostLink::makeCopy(ComputeArray& array, bool isDouble) {
    return {&array, vector<char>(array.getSize() * array.getElementSize()), isDouble};
}

HostLink::HostLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays)
        : particles(description.particles), moments(source.getMomentSet()), checking(getenv("POLARMP_TEST_DEVICE_CHECKS") == nullptr) {
    bool real = description.doubleMoments, mixed = description.doublePositions;
    SourceBuffers buffers = description;
    auto copy = [&](Copy& target, ComputeArray& array, bool isDouble) {
        target = makeCopy(array, isDouble);
        return target.memory.data();
    };
    buffers.device = SourceBuffers::Host;
    buffers.positions = copy(positions, arrays.positions, mixed);
    buffers.cell = arrays.cell;
    buffers.energy = copy(energy, arrays.energy, mixed);
    buffers.charges = copy(charges, arrays.charges, real);
    buffers.dipoles = copy(dipoles, arrays.dipoles, real);
    buffers.quadrupoles = copy(quadrupoles, arrays.quadrupoles, real);
    buffers.softness = copy(softness, arrays.softness, real);
    buffers.polarizability = copy(polarizability, arrays.polarizability, real);
    buffers.chargeGradients = copy(chargeGradients, arrays.chargeGradients, real);
    buffers.dipoleGradients = copy(dipoleGradients, arrays.dipoleGradients, real);
    buffers.quadrupoleGradients = copy(quadrupoleGradients, arrays.quadrupoleGradients, real);
    buffers.softnessGradients = copy(softnessGradients, arrays.softnessGradients, real);
    buffers.polarizabilityGradients = copy(polarizabilityGradients, arrays.polarizabilityGradients, real);
    buffers.forces = copy(forces, arrays.forces, real);
    evaluation = source.bind(buffers);
}

void HostLink::check(const char* name, const Copy& copy, bool negativeAllowed) const {
    if (!checking)
        return;
    int size = copy.array->getSize(), components = max<int>(1, size / (int) particles.size());
    for (int i = 0; i < size; i++)
        if (!isfinite(copy[i]) || (!negativeAllowed && copy[i] < 0))
            refuse(name, particles[i / components], copy[i]);
}

void HostLink::forward(bool includeGradients, const function<void()>& meanwhile) {
    if (isConstant() && uploaded) {
        meanwhile();
        return;
    }
    positions.download();
    check("position", positions);
    meanwhile();
    evaluation->forward(includeGradients);
    if (checking && !isfinite(energy[0]))
        refuseEnergy();
    check("charge", charges);
    energy.upload();
    charges.upload();
    if (moments.dipoles) {
        check("dipole", dipoles);
        dipoles.upload();
    }
    if (moments.quadrupoles) {
        check("quadrupole", quadrupoles);
        quadrupoles.upload();
    }
    if (moments.softness) {
        check("softness", softness, false);
        softness.upload();
    }
    if (moments.polarizability) {
        check("polarizability", polarizability);
        polarizability.upload();
    }
    uploaded = true;
}

void HostLink::backward(const double field[3]) {
    if (isConstant())
        return;  // the array of its forces was cleared when it was made
    chargeGradients.download();
    if (moments.dipoles)
        dipoleGradients.download();
    if (moments.quadrupoles)
        quadrupoleGradients.download();
    if (moments.softness)
        softnessGradients.download();
    if (moments.polarizability)
        polarizabilityGradients.download();
    evaluation->backward(field);
    check("force from the source of moments", forces);
    forces.upload();
}
