#include "openmm_polarmp/internal/ChargeGroups.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>
#include <map>
#include <numeric>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

ChargeGroups::ChargeGroups(const PolarMPForce& force, int numParticles)
        : isLevelGiven(force.hasFermiLevel()), fermiLevel(force.getFermiLevel() / EV_TO_KJ_PER_MOL), groupOf(numParticles, -1),
          charges(force.getConstrainedCharges()) {
    if (isLevelGiven)
        charges = {0.0};
    if (charges.empty())
        return;
    if (force.getConstrainedGroups().empty()) {
        members.emplace_back(numParticles);
        iota(members[0].begin(), members[0].end(), 0);
    }
    map<int, int> numberOf;  // in the force, by the index in the System
    for (size_t i = 0; i < force.getParticles().size(); i++)
        numberOf[force.getParticles()[i]] = i;
    for (const vector<int>& group : force.getConstrainedGroups()) {
        members.emplace_back();
        for (int index : group)
            members.back().push_back(numberOf.empty() ? index : numberOf.at(index));
    }
    for (size_t g = 0; g < members.size(); g++)
        for (int i : members[g])
            groupOf[i] = g;
}

double ChargeGroups::totalCharge(const vector<double>& permanent) const {
    double sum = accumulate(charges.begin(), charges.end(), 0.0);
    for (size_t i = 0; i < permanent.size(); i++)
        if (groupOf[i] < 0 || isLevelGiven)
            sum += permanent[i];
    return sum;
}

void ChargeGroups::check(int group, double softness, double lacking) const {
    if (softness != 0 || !(fabs(lacking) > NEGLIGIBLE))
        return;
    stringstream message;
    message << "PolarMPForce: the total charge constraint gives group " << group << " " << charges[group]
            << " e, but its particles have no softness and permanent charges of " << charges[group] - lacking << " e; that charge is accepted";
    throw OpenMMException(message.str());
}
