#include "MutualInduction.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/internal/MutualErrors.h"
#include "openmm_polarmp/internal/Predictor.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

double dot(const Felt& felt, const vector<Multipole>& moments) {
    double sum = 0;
    for (size_t i = 0; i < felt.size(); i++)
        sum += felt.potential[i] * moments[i].charge + felt.gradient[i].dot(moments[i].dipole);
    return sum;
}

/** a += factor b */
void add(Felt& a, double factor, const Felt& b) {
    for (size_t i = 0; i < a.size(); i++) {
        a.potential[i] += factor * b.potential[i];
        a.gradient[i] += b.gradient[i] * factor;
    }
}

void add(vector<Multipole>& a, double factor, const vector<Multipole>& b) {
    for (size_t i = 0; i < a.size(); i++) {
        a[i].charge += factor * b[i].charge;
        a[i].dipole += b[i].dipole * factor;
    }
}

/** a = b + factor a */
template <class Vector> void extend(Vector& a, double factor, const Vector& b) {
    Vector sum = b;
    add(sum, factor, a);
    swap(a, sum);
}

} // namespace

MutualInduction::MutualInduction(double tolerance, int maxIterations, Respond respond, Interact interact)
        : tolerance(tolerance), maxIterations(maxIterations), respond(move(respond)), interact(move(interact)) {
}

Felt MutualInduction::predict(size_t n) const {
    Felt guess(n);
    for (size_t step = 0; step < history.size(); step++)
        add(guess, predictorWeight(history.size(), step), history[step]);
    return guess;
}

void MutualInduction::remember(const Felt& potential) {
    history.push_front(potential);
    if (history.size() > PREDICTOR_STEPS)
        history.pop_back();
}

void MutualInduction::solve(const Felt& guess, double scale, vector<Multipole>& induced) {
    const size_t n = induced.size();
    Felt residual(n), potential(n), directionFelt(n);
    interact(induced, residual);
    extend(residual, -1, guess);  // guess - T m
    vector<Multipole> preconditioned(n), direction(n);
    double last = 1;
    for (iterations = 0;; iterations++) {
        respond(residual, preconditioned);
        const double size = dot(residual, preconditioned);
        if (!isfinite(size))
            throw OpenMMException("PolarMPForce: the potential of the induced moments is not finite");
        if (size <= tolerance * tolerance * scale)
            return;
        if (iterations == maxIterations)
            throwNoConvergence(maxIterations, sqrt(size / scale), tolerance);
        const double beta = iterations == 0 ? 0 : size / last;
        extend(directionFelt, beta, residual);
        extend(direction, beta, preconditioned);
        interact(direction, potential);
        add(potential, 1, directionFelt);  // (R^-1 + T) direction
        const double curvature = dot(potential, direction);
        if (!(curvature > 0)) {
            vector<double> lengths(n);
            for (size_t i = 0; i < n; i++)
                lengths[i] = fabs(direction[i].charge) + sqrt(direction[i].dipole.dot(direction[i].dipole));
            throwCatastrophe(lengths);
        }
        const double length = size / curvature;
        add(induced, length, direction);
        add(residual, -length, potential);
        last = size;
    }
}
