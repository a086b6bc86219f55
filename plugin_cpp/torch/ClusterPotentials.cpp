#include "ClusterPotentials.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <algorithm>
#include <cmath>
#include <cstdint>

using namespace PolarMPPlugin;
using namespace std;

namespace {

int numComponents(int order) {
    return (order + 1) * (order + 2) * (order + 3) / 6;
}

/** Place of d^(a+b+c) / dx^a dy^b dz^c: components are ordered by a + b + c, then by falling a, then by falling b. */
int placeOf(int a, int b, int c) {
    const int rest = b + c;
    return numComponents(a + b + c - 1) + rest * (rest + 1) / 2 + c;
}

/** Calls f(a, b, c) for all components up to an order. */
template <class F>
void forComponents(int order, F&& f) {
    for (int total = 0; total <= order; total++)
        for (int a = total; a >= 0; a--)
            for (int b = total - a; b >= 0; b--)
                f(a, b, total - a - b);
}

vector<PairStep> stepsUpTo(int order) {
    vector<PairStep> steps;
    forComponents(order, [&](int a, int b, int c) {
        if (a + b + c == 0)
            return;
        int index[3] = {a, b, c};
        const int axis = (c > 0 ? 2 : b > 0 ? 1 : 0);
        PairStep step{axis, placeOf(a, b, c), 0, 0, order - (a + b + c), 0};
        step.factor = --index[axis];
        step.lower = placeOf(index[0], index[1], index[2]);
        if (step.factor > 0) {
            index[axis]--;
            step.lowest = placeOf(index[0], index[1], index[2]);
        }
        steps.push_back(step);
    });
    return steps;
}

vector<double> signs(int order) {
    vector<double> result;
    forComponents(order, [&](int a, int b, int c) { result.push_back((a + b + c) % 2 ? -1 : 1); });
    return result;
}

vector<int> meetingPlaces(const SetOrders& o) {
    vector<int> places;
    forComponents(o.potential, [&](int a, int b, int c) {
        forComponents(o.source, [&](int d, int e, int f) { places.push_back(placeOf(a + d, b + e, c + f)); });
    });
    return places;
}

} // namespace

ClusterPotentials::ClusterPotentials(double sigma, const vector<SetOrders>& orders) {
    int highest = 0, numMoments = 0;
    for (const SetOrders& o : orders) {
        highest = max(highest, o.source + o.potential);
        numMoments += numComponents(o.source) + numComponents(o.potential);
        tables.push_back({meetingPlaces(o), signs(o.source), signs(o.potential)});
    }
    for (size_t s = 0; s < orders.size(); s++) {
        const Tables& t = tables[s];
        sets.push_back({(int) t.sourceSigns.size(), (int) t.potentialSigns.size(), t.places.data(), t.sourceSigns.data(),
                        t.potentialSigns.data(), nullptr, nullptr});
    }
    steps = stepsUpTo(highest);
    const double a2 = 1 / (2 * sigma * sigma);
    memory.resize(PairPlan::memoryOf(numComponents(highest), highest, numMoments) + 8);
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    double* aligned = memory.data() + (64 - address % 64) % 64 / sizeof(double);
    plan = {highest, a2, COULOMB * 2 * sqrt(a2 / M_PI), (int) steps.size(), steps.data(), (int) sets.size(), sets.data(), aligned};
}

int ClusterPotentials::numSources() const {
    int total = 0;
    for (const PairSet& set : sets)
        total += set.numSources;
    return total;
}

int ClusterPotentials::numPotentials() const {
    int total = 0;
    for (const PairSet& set : sets)
        total += set.numPotentials;
    return total;
}

void ClusterPotentials::add(const ClusterAtoms& atoms, const double* sources, double* potentials) {
    for (PairSet& set : sets) {
        set.sources = sources;
        set.potentials = potentials;
        sources += set.numSources * atoms.count;
        potentials += set.numPotentials * atoms.count;
    }
    torchPairLoops().addPotentials(plan, atoms);
}
