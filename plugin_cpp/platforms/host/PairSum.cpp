#include "PairSum.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void PairSum::potentialAtAtoms(const vector<Multipole>& sources, vector<Derivatives>& result) {
    result.assign(positions->size(), Derivatives());
    forAtoms(positions->size(), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++)
            for (size_t j = 0; j < positions->size(); j++)
                if (i != j)
                    pair.addDerivatives((*positions)[i] - (*positions)[j], sources[j], result[i]);
    });
}

void PairSum::potentialOfCharges(vector<Derivatives>& result) {
    result.assign(positions->size(), Derivatives());
    forAtoms(positions->size(), [&](size_t begin, size_t end) {
        Multipole source;
        for (size_t i = begin; i < end; i++)
            for (size_t m = 0; m < places->size(); m++) {
                source.charge = (*charges)[m];
                chargePair.addDerivatives((*positions)[i] - (*places)[m], source, result[i]);
            }
    });
}

void PairSum::gradientAtCharges(const vector<Multipole>& sources, vector<Vec3>& result) {
    result.assign(places->size(), Vec3());
    forAtoms(places->size(), [&](size_t begin, size_t end) {
        for (size_t m = begin; m < end; m++)
            for (size_t j = 0; j < positions->size(); j++)
                result[m] += chargePair.gradient((*places)[m] - (*positions)[j], sources[j]);
    });
}

void PairSum::potentialAtPoints(const vector<Vec3>& points, const vector<Multipole>& sources, vector<double>& result) {
    result.assign(points.size(), 0.0);
    for (size_t i = 0; i < points.size(); i++)
        for (size_t j = 0; j < positions->size(); j++)
            result[i] += pair.value(points[i] - (*positions)[j], sources[j]);
}
