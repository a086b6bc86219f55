#include "PairSum.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void PairSum::addOthers(size_t i, const vector<Multipole>& sources, Derivatives& result) const {
    for (size_t j = 0; j < positions->size(); j++)
        if (i != j)
            pair.addDerivatives((*positions)[i] - (*positions)[j], sources[j], result);
}

void PairSum::potentialAtAtoms(const vector<Multipole>& sources, vector<Derivatives>& result) {
    result.assign(positions->size(), Derivatives());
    for (size_t i = 0; i < positions->size(); i++)
        addOthers(i, sources, result[i]);
}

void PairSum::potentialAtPoints(const vector<Vec3>& points, const vector<Multipole>& sources, vector<double>& result) {
    result.assign(points.size(), 0.0);
    for (size_t i = 0; i < points.size(); i++)
        for (size_t j = 0; j < positions->size(); j++)
            result[i] += pair.value(points[i] - (*positions)[j], sources[j]);
}
