#include "DeviceConstraint.h"
#include "KernelSources.h"
#include "openmm/OpenMMException.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

DeviceConstraint::DeviceConstraint(ComputeContext& cc, ChargeGroups newGroups, SourceArrays& source, ResponseArrays& response,
                                   map<string, string> defines)
        : cc(cc), groups(move(newGroups)) {
    const int numGroups = groups.size(), mixed = elementSize(cc, true);
    vector<int> all, first = {0};
    vector<double> ofAtoms;
    for (int g = 0; g < numGroups; g++) {
        const vector<int>& some = groups.getMembers()[g];
        all.insert(all.end(), some.begin(), some.end());
        first.push_back(all.size());
        ofAtoms.push_back(groups.shareOf(g));
    }
    groupOf.initialize<int>(cc, groups.getGroupOf().size(), "polarmpGroupOf");
    members.initialize<int>(cc, all.size(), "polarmpMembers");
    firstOf.initialize<int>(cc, first.size(), "polarmpFirstOf");
    groupOf.upload(groups.getGroupOf());
    members.upload(all);
    firstOf.upload(first);
    for (ComputeArray* array : {&levels, &shares, &means, &givenCharges, &softnessOf, &lacking})
        array->initialize(cc, numGroups, mixed, "polarmpGroups");
    levels.upload(vector<double>(numGroups, groups.getFermiLevel()), true);
    shares.upload(ofAtoms, true);
    givenCharges.upload(groups.getCharges(), true);
    if (!hasGroups())
        return;
    defines["REDUCTION_SIZE"] = cc.intToString(REDUCTION_SIZE);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::constraint, defines);
    ComputeArray &softness = source.moments[SOFTNESS], &potential = source.flows[FLOW_POTENTIAL];
    ArrayInterface* later = nullptr;
    sumKernel = createKernel(program, "sumGroups",
                             {&members, &firstOf, &source.moments[CHARGE], &softness, &givenCharges, &softnessOf, &lacking, later});
    levelsKernel = createKernel(program, "findLevels",
                                {&members, &firstOf, &source.positions, &softness, &potential, &response.sums, later, later, later, later, later,
                                 &softnessOf, &lacking, &levels});
    meansKernel = createKernel(program, "findMeans", {&members, &firstOf, &softness, later, &softnessOf, &means});
}

void DeviceConstraint::addDefines(ComputeContext& cc, const ChargeGroups& groups, map<string, string>& defines) {
    if (groups.size() == 0)
        return;
    defines["CONSTRAINED"] = "1";
    if (groups.hasFermiLevel())
        return;
    defines["GROUPS"] = "1";
    defines["NUM_CHARGE_GROUPS"] = cc.intToString(groups.size());
    defines["NEGLIGIBLE_CHARGE"] = cc.doubleToString(ChargeGroups::NEGLIGIBLE);
}

void DeviceConstraint::execute(ComputeKernel& kernel) {
    kernel->execute(REDUCTION_SIZE * groups.size(), REDUCTION_SIZE);
}

void DeviceConstraint::setMoments(ComputeArray& fault) {
    sumKernel->setArg(7, fault);
    execute(sumKernel);
}

void DeviceConstraint::throwImpossible() const {
    vector<double> softness, charges;
    softnessOf.download(softness, true);
    lacking.download(charges, true);
    for (int g = 0; g < groups.size(); g++)
        groups.check(g, softness[g], charges[g]);
    throw OpenMMException("PolarMPForce: the total charge constraint cannot be met");
}

void DeviceConstraint::findLevels(const FieldArguments& field) {
    field.setArgs(cc, levelsKernel, 6);
    execute(levelsKernel);
}

void DeviceConstraint::findMeans(ComputeArray& residual) {
    meansKernel->setArg(3, residual);
    execute(meansKernel);
}
