#include "ChargeConstraint.h"

using namespace PolarMPPlugin;
using namespace std;

ChargeConstraint::ChargeConstraint(ChargeGroups newGroups)
        : groups(move(newGroups)), levels(groups.size(), groups.getFermiLevel()), softness(groups.size()), lacking(groups.size()) {
}

void ChargeConstraint::setAtoms(const Atoms& atoms) {
    for (int g = 0; g < groups.size() && !groups.hasFermiLevel(); g++) {
        softness[g] = 0;
        lacking[g] = groups.getCharges()[g];
        for (int i : groups.getMembers()[g]) {
            softness[g] += atoms.softness[i];
            lacking[g] -= atoms.permanent[i].charge;
        }
        groups.check(g, softness[g], lacking[g]);
    }
}

double ChargeConstraint::weightedSum(const Atoms& atoms, int group, const vector<double>& potential) const {
    double sum = 0;
    for (int i : groups.getMembers()[group])
        sum += atoms.softness[i] * potential[i];
    return sum;
}

void ChargeConstraint::findLevels(const Atoms& atoms, const vector<double>& potential) {
    for (int g = 0; g < groups.size() && !groups.hasFermiLevel(); g++)
        levels[g] = softness[g] > 0 ? -(lacking[g] + weightedSum(atoms, g, potential)) / softness[g] : 0;
}

void ChargeConstraint::removeMeans(const Atoms& atoms, vector<double>& potential) const {
    for (int g = 0; g < groups.size() && !groups.hasFermiLevel(); g++) {
        const double mean = softness[g] > 0 ? weightedSum(atoms, g, potential) / softness[g] : 0;
        for (int i : groups.getMembers()[g])
            potential[i] -= mean;
    }
}
