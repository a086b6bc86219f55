#include "Check.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmm_polarmp/FixedMultipoles.h"
#include "openmm_polarmp/PolarMPForce.h"
#include <memory>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

string toXml(const PolarMPForce& force) {
    stringstream stream;
    XmlSerializer::serialize<Force>(&force, "Force", stream);
    return stream.str();
}

unique_ptr<PolarMPForce> fromXml(const string& xml) {
    stringstream stream(xml);
    unique_ptr<Force> force(XmlSerializer::deserialize<Force>(stream));
    auto* result = dynamic_cast<PolarMPForce*>(force.get());
    CHECK(result != nullptr);
    force.release();
    return unique_ptr<PolarMPForce>(result);
}

string replaced(string text, const string& from, const string& to) {
    CHECK(text.find(from) != string::npos);
    return text.replace(text.find(from), from.size(), to);
}

/** A source that no description in XML can recreate. */
class OtherSource : public MultipoleSource {
public:
    MomentSet getMomentSet() const override {
        return {};
    }
    int getNumParticles() const override {
        return 1;
    }
    unique_ptr<SourceEvaluation> bind(const SourceBuffers&) override {
        return nullptr;
    }
};

void settingsSurvive() {
    PolarMPForce force;
    force.setName("electrostatics");
    force.setForceGroup(3);
    force.setNonbondedMethod(PolarMPForce::PME);
    force.setPolarizationType(PolarMPForce::NoPolarization);
    force.setSigma(0.123456789012345678);
    force.setEwaldErrorTolerance(1.0 / 3);
    force.setKMax(31.4);
    force.setEpsInf(1.78);
    force.setPMEParameters(20, 21, 24);
    force.setParticles({4, 2, 7});
    force.setMutualInducedTargetEpsilon(3e-6);
    force.setMutualInducedMaxIterations(33);
    force.setBoundary(PolarMPForce::SlabZ);
    force.setTotalChargeConstraint({1.0 / 3, -2}, {{4}, {7, 2}});
    auto copy = fromXml(toXml(force));
    int n[3];
    copy->getPMEParameters(n[0], n[1], n[2]);
    CHECK(copy->getName() == "electrostatics");
    CHECK(copy->getForceGroup() == 3);
    CHECK(copy->getNonbondedMethod() == PolarMPForce::PME);
    CHECK(copy->getPolarizationType() == PolarMPForce::NoPolarization);
    CHECK(copy->getSigma() == force.getSigma());
    CHECK(copy->getEwaldErrorTolerance() == force.getEwaldErrorTolerance());
    CHECK(copy->getKMax() == 31.4);
    CHECK(copy->getEpsInf() == 1.78);
    CHECK(n[0] == 20 && n[1] == 21 && n[2] == 24);
    CHECK(copy->getParticles() == force.getParticles());
    CHECK(copy->getMutualInducedTargetEpsilon() == 3e-6);
    CHECK(copy->getMutualInducedMaxIterations() == 33);
    CHECK(copy->getBoundary() == PolarMPForce::SlabZ);
    CHECK(copy->getConstrainedCharges() == force.getConstrainedCharges());
    CHECK(copy->getConstrainedGroups() == force.getConstrainedGroups());
    CHECK(!copy->hasFermiLevel());
    CHECK(copy->getSource() == nullptr);
    CHECK(toXml(*copy) == toXml(force));
    force.setTotalChargeConstraint({-1});
    copy = fromXml(toXml(force));
    CHECK(copy->getConstrainedCharges() == vector<double>{-1} && copy->getConstrainedGroups().empty());
    force.setTotalChargeConstraint({});
    force.setFermiLevel(-1234.5);
    copy = fromXml(toXml(force));
    CHECK(copy->getConstrainedCharges().empty() && copy->hasFermiLevel());
    CHECK(copy->getFermiLevel() == -1234.5);
}

/** All subsets of the moments that a source may leave out. */
void fixedMultipolesSurvive() {
    const int n = 2;
    for (int subset = 0; subset < 16; subset++) {
        MomentArrays values;
        for (Moment m : ALL_MOMENTS)
            if (m == CHARGE || (subset >> (m - 1)) % 2 == 1)
                for (int i = 0; i < MOMENTS[m].components * n; i++)
                    values[m].push_back((i + 1) / (7.0 + m) * (i % 2 == 1 && MOMENTS[m].mayBeNegative ? -1 : 1));
        PolarMPForce force(make_shared<FixedMultipoles>(values));
        auto copy = fromXml(toXml(force));
        auto source = dynamic_pointer_cast<FixedMultipoles>(copy->getSource());
        CHECK(source != nullptr);
        CHECK(source->getValues() == values);
    }
}

void descriptionsSurvive() {
    PolarMPForce force;
    const SourceDescription description = {"file", {{"path", "a <b> & \"c\".polarmp"}, {"sha256", "0123"}}};
    force.setSourceDescription(description);
    auto copy = fromXml(toXml(force));
    CHECK(copy->getSourceDescription().kind == description.kind);
    CHECK(copy->getSourceDescription().properties == description.properties);
    CHECK_THROWS(copy->requireSource(), "needs the Python package openmm_polarmp");
    CHECK_THROWS(PolarMPForce().requireSource(), "there is no source of moments");
}

void unknownSourcesAreRefused() {
    PolarMPForce force(make_shared<OtherSource>());
    CHECK_THROWS(toXml(force), "this source of moments cannot be serialized");
}

void badXmlIsRefused() {
    const string xml = toXml(PolarMPForce(make_shared<FixedMultipoles>(MomentArrays{vector<double>{0.5, -0.5}})));
    CHECK_THROWS(fromXml(replaced(xml, "version=\"4\"", "version=\"5\"")), "the XML has version 5; this plugin reads versions 1 to 4");
    CHECK_THROWS(fromXml(replaced(xml, "sigma=\".1\"", "sigma=\"-1\"")), "sigma is -1");
    CHECK_THROWS(fromXml(replaced(xml, "method=\"0\"", "method=\"5\"")), "nonbonded method is 5");
    CHECK_THROWS(fromXml(replaced(xml, "q=\"-.5\"", "q=\"-.5\" mu_x=\"1\"")), "dipoles has 1 numbers for 2 charges; 6 are needed");
}

} // namespace

int main() {
    return runTests({{"settings survive", settingsSurvive},
                     {"fixed multipoles survive", fixedMultipolesSurvive},
                     {"descriptions survive", descriptionsSurvive},
                     {"unknown sources are refused", unknownSourcesAreRefused},
                     {"bad XML is refused", badXmlIsRefused}});
}
