#include "SurfaceSolver.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

double valueAt(const Surface::Polynomial& p, const Vec3& r) {
    return p.value + p.linear.dot(r) + 0.5 * p.curvature * r[2] * r[2];
}

Vec3 gradientAt(const Surface::Polynomial& p, const Vec3& r) {
    return p.linear + Vec3(0, 0, p.curvature * r[2]);
}

} // namespace

SurfaceSolver::SurfaceSolver(unique_ptr<PotentialSolver> solver, PolarMPForce::Boundary boundary, double sigma)
        : solver(move(solver)), surface(boundary, sigma) {
}

void SurfaceSolver::setBox(const Vec3 box[3]) {
    solver->setBox(box);
    surface.setBox(box);
}

void SurfaceSolver::setPositions(const vector<Vec3>& newPositions) {
    PotentialSolver::setPositions(newPositions);
    solver->setPositions(newPositions);
}

void SurfaceSolver::setCharges(const vector<Vec3>& newPlaces, const vector<double>& newCharges) {
    PotentialSolver::setCharges(newPlaces, newCharges);
    solver->setCharges(newPlaces, newCharges);
}

Surface::Polynomial SurfaceSolver::potentialOf(const vector<Multipole>& sources) const {
    SurfaceSums sums;
    for (size_t i = 0; i < sources.size(); i++) {
        const Multipole& m = sources[i];
        const Vec3& r = (*positions)[i];
        sums.charge += m.charge;
        sums.dipole += r * m.charge + m.dipole;
        sums.spread += m.charge * r[2] * r[2] + 2 * m.dipole[2] * r[2] + m.quadrupole[PAIR[2][2]];
    }
    return surface.potential(sums);
}

void SurfaceSolver::addAtAtoms(const Surface::Polynomial& polynomial, vector<Derivatives>& result) const {
    for (size_t i = 0; i < result.size(); i++) {
        result[i].value += valueAt(polynomial, (*positions)[i]);
        result[i].gradient += gradientAt(polynomial, (*positions)[i]);
        result[i].second[PAIR[2][2]] += polynomial.curvature;
    }
}

void SurfaceSolver::potentialAtAtoms(const vector<Multipole>& sources, vector<Derivatives>& result) {
    solver->potentialAtAtoms(sources, result);
    addAtAtoms(potentialOf(sources), result);
}

void SurfaceSolver::potentialOfCharges(vector<Derivatives>& result) {
    solver->potentialOfCharges(result);
    SurfaceSums sums;
    for (size_t m = 0; m < charges->size(); m++) {
        const double charge = (*charges)[m], z = (*places)[m][2];
        sums.charge += charge;
        sums.dipole += (*places)[m] * charge;
        sums.spread += charge * z * z;
    }
    addAtAtoms(surface.potential(sums), result);
}

void SurfaceSolver::gradientAtCharges(const vector<Multipole>& sources, vector<Vec3>& result) {
    solver->gradientAtCharges(sources, result);
    const Surface::Polynomial polynomial = potentialOf(sources);
    for (size_t m = 0; m < result.size(); m++)
        result[m] += gradientAt(polynomial, (*places)[m]);
}

void SurfaceSolver::potentialAtPoints(const vector<Vec3>& points, const vector<Multipole>& sources, vector<double>& result) {
    solver->potentialAtPoints(points, sources, result);
    const Surface::Polynomial polynomial = potentialOf(sources);
    for (size_t p = 0; p < points.size(); p++)
        result[p] += valueAt(polynomial, points[p]);
}
