#include "PolarMPForceProxy.h"
#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmm_polarmp/FixedMultipoles.h"
#include "openmm_polarmp/PolarMPForce.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

const int VERSION = 4;  // 2: embedding charges, 3: mutual induction, boundary, 4: total charges, Fermi level
const char* const AXES[] = {"x", "y", "z"};

/** A number, vector or matrix per particle becomes the properties name, name_x or name_xy of the particle's node. */
string componentName(const MomentProperties& moment, int c) {
    string name = moment.symbol;
    if (moment.components == 3)
        name += string("_") + AXES[c];
    if (moment.components == 9)
        name += string("_") + AXES[c / 3] + AXES[c % 3];
    return name;
}

void writeFixed(const FixedMultipoles& fixed, SerializationNode& node) {
    const MomentArrays& values = fixed.getValues();
    for (int i = 0; i < fixed.getNumParticles(); i++) {
        SerializationNode& particle = node.createChildNode("Particle");
        for (Moment m : ALL_MOMENTS)
            for (int c = 0; c < MOMENTS[m].components && !values[m].empty(); c++)
                particle.setDoubleProperty(componentName(MOMENTS[m], c), values[m][i * MOMENTS[m].components + c]);
    }
}

shared_ptr<MultipoleSource> readFixed(const SerializationNode& node) {
    MomentArrays values;
    for (const SerializationNode& particle : node.getChildren())
        for (Moment m : ALL_MOMENTS)
            for (int c = 0; c < MOMENTS[m].components; c++) {
                string name = componentName(MOMENTS[m], c);
                if (particle.hasProperty(name))
                    values[m].push_back(particle.getDoubleProperty(name));
            }
    return make_shared<FixedMultipoles>(values);
}

void readEmbedding(const SerializationNode& node, PolarMPForce& force) {
    vector<int> particles;
    vector<double> charges;
    for (const SerializationNode& particle : node.getChildren()) {
        particles.push_back(particle.getIntProperty("index"));
        charges.push_back(particle.getDoubleProperty("q"));
    }
    force.setEmbeddingCharges(particles, charges);
    force.setEmbeddingScale(node.getDoubleProperty("scale"));
    force.setEmbeddingKernel((PolarMPForce::EmbeddingKernel) node.getIntProperty("kernel"));
}

/** A group without particles stands for all of the force's. */
void writeTotalCharge(const PolarMPForce& force, SerializationNode& node) {
    for (size_t g = 0; g < force.getConstrainedCharges().size(); g++) {
        SerializationNode& group = node.createChildNode("Group");
        group.setDoubleProperty("q", force.getConstrainedCharges()[g]);
        if (!force.getConstrainedGroups().empty())
            for (int index : force.getConstrainedGroups()[g])
                group.createChildNode("Particle").setIntProperty("index", index);
    }
}

void readTotalCharge(const SerializationNode& node, PolarMPForce& force) {
    vector<double> charges;
    vector<vector<int>> groups;
    for (const SerializationNode& group : node.getChildren()) {
        charges.push_back(group.getDoubleProperty("q"));
        if (group.getChildren().empty())
            continue;
        groups.emplace_back();
        for (const SerializationNode& particle : group.getChildren())
            groups.back().push_back(particle.getIntProperty("index"));
    }
    force.setTotalChargeConstraint(charges, groups);
}

} // namespace

PolarMPForceProxy::PolarMPForceProxy() : SerializationProxy("PolarMPForce") {
}

void PolarMPForceProxy::serialize(const void* object, SerializationNode& node) const {
    const PolarMPForce& force = *reinterpret_cast<const PolarMPForce*>(object);
    node.setIntProperty("version", VERSION);
    node.setIntProperty("forceGroup", force.getForceGroup());
    node.setStringProperty("name", force.getName());
    node.setIntProperty("method", force.getNonbondedMethod());
    node.setIntProperty("polarizationType", force.getPolarizationType());
    node.setDoubleProperty("mutualInducedTargetEpsilon", force.getMutualInducedTargetEpsilon());
    node.setIntProperty("mutualInducedMaxIterations", force.getMutualInducedMaxIterations());
    node.setIntProperty("boundary", force.getBoundary());
    if (force.hasFermiLevel())
        node.setDoubleProperty("fermiLevel", force.getFermiLevel());
    node.setDoubleProperty("sigma", force.getSigma());
    node.setDoubleProperty("ewaldErrorTolerance", force.getEwaldErrorTolerance());
    node.setDoubleProperty("kMax", force.getKMax());
    node.setDoubleProperty("epsInf", force.getEpsInf());
    int nx, ny, nz;
    force.getPMEParameters(nx, ny, nz);
    node.setIntProperty("nx", nx).setIntProperty("ny", ny).setIntProperty("nz", nz);
    SerializationNode& particles = node.createChildNode("Particles");
    for (int index : force.getParticles())
        particles.createChildNode("Particle").setIntProperty("index", index);
    SerializationNode& embedding = node.createChildNode("Embedding");
    embedding.setDoubleProperty("scale", force.getEmbeddingScale()).setIntProperty("kernel", force.getEmbeddingKernel());
    for (size_t i = 0; i < force.getEmbeddingParticles().size(); i++)
        embedding.createChildNode("Particle")
            .setIntProperty("index", force.getEmbeddingParticles()[i])
            .setDoubleProperty("q", force.getEmbeddingCharges()[i]);
    writeTotalCharge(force, node.createChildNode("TotalCharge"));
    SerializationNode& source = node.createChildNode("Source");
    const auto* fixed = dynamic_cast<const FixedMultipoles*>(force.getSource().get());
    if (fixed != nullptr) {
        source.setStringProperty("kind", "fixed");
        writeFixed(*fixed, source);
        return;
    }
    const SourceDescription& description = force.getSourceDescription();
    if (description.kind.empty() && force.getSource() != nullptr)
        throw OpenMMException("PolarMPForce: this source of moments cannot be serialized");
    source.setStringProperty("kind", description.kind);
    SerializationNode& properties = source.createChildNode("Properties");
    for (const auto& property : description.properties)
        properties.createChildNode("Property").setStringProperty("name", property.first).setStringProperty("value", property.second);
}

void* PolarMPForceProxy::deserialize(const SerializationNode& node) const {
    int version = node.getIntProperty("version");
    if (version < 1 || version > VERSION)
        throw OpenMMException("PolarMPForce: the XML has version " + to_string(version) + "; this plugin reads versions 1 to " + to_string(VERSION)
                              + ". A newer openmm-polarmp may have written it.");
    auto force = make_unique<PolarMPForce>();
    force->setForceGroup(node.getIntProperty("forceGroup", 0));
    force->setName(node.getStringProperty("name", force->getName()));
    force->setNonbondedMethod((PolarMPForce::NonbondedMethod) node.getIntProperty("method", PolarMPForce::NoCutoff));
    force->setPolarizationType((PolarMPForce::PolarizationType) node.getIntProperty("polarizationType", PolarMPForce::Direct));
    force->setMutualInducedTargetEpsilon(node.getDoubleProperty("mutualInducedTargetEpsilon", force->getMutualInducedTargetEpsilon()));
    force->setMutualInducedMaxIterations(node.getIntProperty("mutualInducedMaxIterations", force->getMutualInducedMaxIterations()));
    force->setBoundary((PolarMPForce::Boundary) node.getIntProperty("boundary", PolarMPForce::Conducting));
    if (node.hasProperty("fermiLevel"))
        force->setFermiLevel(node.getDoubleProperty("fermiLevel"));
    force->setSigma(node.getDoubleProperty("sigma", force->getSigma()));
    force->setEwaldErrorTolerance(node.getDoubleProperty("ewaldErrorTolerance", force->getEwaldErrorTolerance()));
    force->setKMax(node.getDoubleProperty("kMax", 0));
    force->setEpsInf(node.getDoubleProperty("epsInf", 1));
    force->setPMEParameters(node.getIntProperty("nx", 0), node.getIntProperty("ny", 0), node.getIntProperty("nz", 0));
    vector<int> particles;
    SourceDescription description;
    for (const SerializationNode& child : node.getChildren()) {
        if (child.getName() == "Particles")
            for (const SerializationNode& particle : child.getChildren())
                particles.push_back(particle.getIntProperty("index"));
        if (child.getName() == "Embedding")
            readEmbedding(child, *force);
        if (child.getName() == "TotalCharge")
            readTotalCharge(child, *force);
        if (child.getName() == "Source") {
            string kind = child.getStringProperty("kind");
            if (kind == "fixed")
                force->setSource(readFixed(child));
            else {
                description.kind = kind;
                for (const SerializationNode& property : child.getChildNode("Properties").getChildren())
                    description.properties[property.getStringProperty("name")] = property.getStringProperty("value");
            }
        }
    }
    force->setParticles(particles);
    force->setSourceDescription(description);
    return force.release();
}
