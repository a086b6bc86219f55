#include "openmm_polarmp/PolarMPForce.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/internal/PolarMPForceImpl.h"
#include <cmath>
#include <map>
#include <mutex>
#include <set>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
unique_ptr<SourceFactory>& factory() {
    static unique_ptr<SourceFactory> instance;
    return instance;
}
/** The addresses of all forces of this kind; threads may create and delete them. */
class Addresses {
public:
    void add(const Force* force) {
        lock_guard<mutex> guard(lock);
        addresses.insert(force);
    }
    void remove(const Force* force) {
        lock_guard<mutex> guard(lock);
        addresses.erase(force);
    }
    bool contains(const Force* force) {
        lock_guard<mutex> guard(lock);
        return addresses.count(force) > 0;
    }

private:
    mutex lock;
    set<const Force*> addresses;
};

/** Never deleted: Python may delete Systems after this library's own objects. */
Addresses& existing() {
    static auto* instance = new Addresses();
    return *instance;
}
} // namespace

void SourceFactory::setFactory(unique_ptr<SourceFactory> newFactory) {
    factory() = move(newFactory);
}

SourceFactory* SourceFactory::getFactory() {
    return factory().get();
}

PolarMPForce::PolarMPForce() {
    setName("PolarMPForce");
    existing().add(this);
}

PolarMPForce::~PolarMPForce() {
    existing().remove(this);
}

bool PolarMPForce::exists(const Force* address) {
    return existing().contains(address);
}

PolarMPForce::PolarMPForce(shared_ptr<MultipoleSource> source) : source(source) {
    existing().add(this);
    setName("PolarMPForce");
}

void PolarMPForce::setSource(shared_ptr<MultipoleSource> newSource) {
    source = newSource;
}

shared_ptr<MultipoleSource> PolarMPForce::requireSource() const {
    if (source == nullptr) {
        if (description.kind.empty())
            throw OpenMMException("PolarMPForce: there is no source of moments: give a model or FixedMultipoles");
        if (SourceFactory::getFactory() == nullptr)
            throw OpenMMException("PolarMPForce: a source of kind '" + description.kind + "' needs the Python package openmm_polarmp");
        source = SourceFactory::getFactory()->create(description);
    }
    return source;
}

void PolarMPForce::setSourceDescription(const SourceDescription& newDescription) {
    description = newDescription;
}

namespace {
void checkIndices(const string& name, const vector<int>& indices) {
    set<int> seen;
    for (int index : indices) {
        if (index < 0)
            throw OpenMMException("PolarMPForce: " + name + " contains " + to_string(index) + "; indices start at 0");
        if (!seen.insert(index).second)
            throw OpenMMException("PolarMPForce: " + name + " contains " + to_string(index) + " twice");
    }
}
} // namespace

void PolarMPForce::setParticles(const vector<int>& newParticles) {
    checkIndices("particles", newParticles);
    particles = newParticles;
}

void PolarMPForce::setEmbeddingCharges(const vector<int>& newParticles, const vector<double>& charges) {
    if (newParticles.size() != charges.size())
        throw OpenMMException("PolarMPForce: there are " + to_string(charges.size()) + " embedding charges for " + to_string(newParticles.size())
                              + " particles; one for each is accepted");
    checkIndices("the list of particles with embedding charges", newParticles);
    for (size_t i = 0; i < charges.size(); i++)
        if (!isfinite(charges[i]))
            throw OpenMMException("PolarMPForce: the embedding charge of particle " + to_string(newParticles[i]) + " is " + to_string(charges[i])
                                  + "; it must be a finite number");
    embeddingParticles = newParticles;
    embeddingCharges = charges;
}

void PolarMPForce::setEmbeddingScale(double scale) {
    if (!isfinite(scale))
        throw OpenMMException("PolarMPForce: the embedding scale is " + to_string(scale) + "; it must be a finite number");
    embeddingScale = scale;
}

void PolarMPForce::setEmbeddingKernel(EmbeddingKernel kernel) {
    if (kernel != Smeared && kernel != Point)
        throw OpenMMException("PolarMPForce: embedding kernel is " + to_string((int) kernel) + "; Smeared (0) and Point (1) are accepted");
    embeddingKernel = kernel;
}

void PolarMPForce::setNonbondedMethod(NonbondedMethod method) {
    if (method != NoCutoff && method != PME)
        throw OpenMMException("PolarMPForce: nonbonded method is " + to_string((int) method) + "; NoCutoff (0) and PME (1) are accepted");
    nonbondedMethod = method;
}

void PolarMPForce::setPolarizationType(PolarizationType type) {
    if (type != Direct && type != NoPolarization && type != Mutual)
        throw OpenMMException("PolarMPForce: polarization type is " + to_string((int) type)
                              + "; Direct (0), NoPolarization (1) and Mutual (2) are accepted");
    polarizationType = type;
}

void PolarMPForce::setBoundary(Boundary newBoundary) {
    if (newBoundary != Conducting && newBoundary != SlabZ && newBoundary != Vacuum)
        throw OpenMMException("PolarMPForce: boundary is " + to_string((int) newBoundary)
                              + "; Conducting (0), SlabZ (1) and Vacuum (2) are accepted");
    boundary = newBoundary;
}

void PolarMPForce::setMutualInducedTargetEpsilon(double epsilon) {
    if (!(epsilon > 0 && epsilon < 1))
        throw OpenMMException("PolarMPForce: mutual induced target epsilon is " + to_string(epsilon) + "; a number between 0 and 1 is accepted");
    mutualInducedTargetEpsilon = epsilon;
}

void PolarMPForce::setMutualInducedMaxIterations(int iterations) {
    if (iterations < 1)
        throw OpenMMException("PolarMPForce: mutual induced max iterations is " + to_string(iterations) + "; a positive number is accepted");
    mutualInducedMaxIterations = iterations;
}

void PolarMPForce::setTotalChargeConstraint(const vector<double>& charges, const vector<vector<int>>& groups) {
    if (charges.size() != groups.size() && !(groups.empty() && charges.size() == 1))
        throw OpenMMException("PolarMPForce: the total charge constraint has " + to_string(charges.size()) + " charges for "
                              + to_string(groups.size()) + " groups; one for each group is accepted, and one charge without groups");
    for (size_t g = 0; g < charges.size(); g++)
        if (!isfinite(charges[g]))
            throw OpenMMException("PolarMPForce: charge " + to_string(g) + " of the total charge constraint is " + to_string(charges[g])
                                  + "; it must be a finite number");
    map<int, size_t> groupOf;
    for (size_t g = 0; g < groups.size(); g++) {
        if (groups[g].empty())
            throw OpenMMException("PolarMPForce: group " + to_string(g) + " of the total charge constraint has no particles; at least one is accepted");
        for (int index : groups[g]) {
            if (index < 0)
                throw OpenMMException("PolarMPForce: group " + to_string(g) + " of the total charge constraint contains " + to_string(index)
                                      + "; indices start at 0");
            auto inserted = groupOf.insert({index, g});
            if (!inserted.second)
                throw OpenMMException("PolarMPForce: particle " + to_string(index) + " is in the groups " + to_string(inserted.first->second)
                                      + " and " + to_string(g) + " of the total charge constraint; one group is accepted");
        }
    }
    constrainedCharges = charges;
    constrainedGroups = groups;
}

void PolarMPForce::setFermiLevel(double level) {
    if (!isfinite(level))
        throw OpenMMException("PolarMPForce: the Fermi level is " + to_string(level) + " kJ/mol; it must be a finite number");
    fermiLevel = level;
    isLevelGiven = true;
}

void PolarMPForce::removeFermiLevel() {
    fermiLevel = 0;
    isLevelGiven = false;
}

void PolarMPForce::setSigma(double newSigma) {
    if (!(newSigma > 0) || !isfinite(newSigma))
        throw OpenMMException("PolarMPForce: sigma is " + to_string(newSigma) + " nm; it must be positive");
    sigma = newSigma;
}

void PolarMPForce::setEwaldErrorTolerance(double tolerance) {
    if (!(tolerance > 0) || tolerance >= 1)
        throw OpenMMException("PolarMPForce: Ewald error tolerance is " + to_string(tolerance) + "; it must lie between 0 and 1");
    ewaldErrorTolerance = tolerance;
}

void PolarMPForce::getPMEParameters(int& nx, int& ny, int& nz) const {
    nx = this->nx;
    ny = this->ny;
    nz = this->nz;
}

void PolarMPForce::setPMEParameters(int nx, int ny, int nz) {
    bool none = (nx == 0 && ny == 0 && nz == 0);
    if (!none && (nx <= 0 || ny <= 0 || nz <= 0))
        throw OpenMMException("PolarMPForce: mesh is " + to_string(nx) + " x " + to_string(ny) + " x " + to_string(nz)
                              + "; three positive numbers, or three zeros for an automatic choice, are accepted");
    this->nx = nx;
    this->ny = ny;
    this->nz = nz;
}

void PolarMPForce::setKMax(double newKMax) {
    if (!(newKMax >= 0) || !isfinite(newKMax))
        throw OpenMMException("PolarMPForce: kMax is " + to_string(newKMax) + " 1/nm; it must be positive, or 0 for no cutoff");
    kMax = newKMax;
}

void PolarMPForce::setEpsInf(double newEpsInf) {
    if (!(newEpsInf >= 1) || !isfinite(newEpsInf))
        throw OpenMMException("PolarMPForce: epsInf is " + to_string(newEpsInf) + "; it must be at least 1");
    epsInf = newEpsInf;
}

const string& PolarMPForce::FieldX() {
    static const string name = "polarmp_field_x";
    return name;
}

const string& PolarMPForce::FieldY() {
    static const string name = "polarmp_field_y";
    return name;
}

const string& PolarMPForce::FieldZ() {
    static const string name = "polarmp_field_z";
    return name;
}

ForceImpl* PolarMPForce::createImpl() const {
    return new PolarMPForceImpl(*this);
}

namespace {
PolarMPForceImpl& impl(ForceImpl& base) {
    return dynamic_cast<PolarMPForceImpl&>(base);
}
} // namespace

void PolarMPForce::getPMEParametersInContext(Context& context, int& nx, int& ny, int& nz) const {
    impl(getImplInContext(context)).getPMEParameters(nx, ny, nz);
}

void PolarMPForce::getStepData(Context& context, StepData& data) const {
    impl(getImplInContext(context)).getStepData(getContextImpl(context), data);
}

void PolarMPForce::getPairFlows(Context& context, PairFlows& flows) const {
    impl(getImplInContext(context)).getPairFlows(getContextImpl(context), flows);
}

bool PolarMPForce::getChargeTransfer(Context& context, vector<double>& transfer) const {
    return impl(getImplInContext(context)).getChargeTransfer(getContextImpl(context), transfer);
}

void PolarMPForce::getElectrostaticPotential(Context& context, const vector<Vec3>& points, vector<double>& potential) const {
    impl(getImplInContext(context)).getElectrostaticPotential(getContextImpl(context), points, potential);
}

void PolarMPForce::updateParametersInContext(Context& context) const {
    impl(getImplInContext(context)).updateParametersInContext(getContextImpl(context));
}
