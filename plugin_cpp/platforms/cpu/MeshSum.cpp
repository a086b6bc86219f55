#include "MeshSum.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/MeshMemory.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

/** Prefetches what a later iteration needs, in loops whose order is not that of memory. */
template <class T>
void prefetch(const vector<T>& values, const vector<int>& order, long place) {
    const long AHEAD = 8;
    if (place + AHEAD >= (long) order.size())
        return;
    const char* begin = reinterpret_cast<const char*>(&values[order[place + AHEAD]]);
    for (size_t offset = 0; offset < sizeof(T); offset += CACHE_LINE)
        __builtin_prefetch(begin + offset);
    __builtin_prefetch(begin + sizeof(T) - 1);
}

} // namespace

template <class Real>
MeshSum<Real>::MeshSum(const PolarMPForce& force, const MeshRule& rule, ThreadTeam& threads)
        : sigma(force.getSigma() * ANGSTROM_PER_NM), kMax(force.getKMax() / ANGSTROM_PER_NM), rule(rule),
          window(rule.width, rule.m, rule.beta, rule.degree), threads(threads), loops(meshLoops<Real>()), fourier(meshFourier<Real>()) {
    pointCharges.orders = 2;
    force.getPMEParameters(size[0], size[1], size[2]);
    sizeIsFixed = (size[0] > 0);
    for (int n = 0; n <= rule.degree; n++)
        for (int p = 0; p < paddedWidth(rule.width); p++)
            coefficients.push_back(p < rule.width ? (Real) window.getCoefficients()[p * (rule.degree + 1) + n] : 0);
    if (sizeIsFixed) {
        checkMeshSize(size, rule);
        allocateMesh();
    }
}

template <class Real>
void MeshSum<Real>::allocateMesh() {
    const long line = CACHE_LINE / sizeof(Real), row = (size[2] / 2 + line) / line * line;
    const long plane = size[1] * row + line;  // so that the stride of planes is not a power of 2
    const int overhang = rule.width - 1;
    const long meshRow = size[2] + paddedWidth(rule.width) - 1;
    mesh.assign(size[0] * size[1] * meshRow, 0);
    for (auto* array : {&re, &im, &influence})
        array->assign(size[0] * plane, 0);
    plans.clear();
    for (int n : size)
        plans.emplace_back(n);
    const MeshShape shape = {{size[0], size[1], size[2]}, meshRow, size[1] * meshRow, overhang};
    spectrum = {shape, (int) row, plane, mesh.data(), re.data(), im.data(), influence.data(), {&plans[0], &plans[1], &plans[2]}};
}

template <class Real>
void MeshSum<Real>::setBox(const Vec3 newBox[3]) {
    copy(newBox, newBox + 3, box);
    if (!sizeIsFixed && (size[0] == 0 || !meshIsFineEnough(box, sigma, kMax, rule, size))) {
        int next[3];
        chooseMeshSize(box, sigma, kMax, rule, next);
        // mesh, half a spectrum in two parts, half an influence function, and that in double precision while it is computed
        checkMeshMemory(box, next, 2.5 * sizeof(Real) + 0.5 * sizeof(double));
        copy(next, next + 3, size);
        allocateMesh();
    }
    vector<double> transform = gridTransform(box, size), g = influenceFunction(box, size, sigma, kMax, window);
    copy(transform.begin(), transform.end(), &toGrid[0][0]);
    const int half = size[2] / 2 + 1;
    for (int i = 0; i < size[0]; i++)
        for (int j = 0; j < size[1]; j++)
            copy_n(&g[((long) i * size[1] + j) * half], half, influence.data() + i * spectrum.plane + j * spectrum.row);
}

template <class Real>
void MeshSum<Real>::place(const vector<Vec3>& points, Stencils& stencils) {
    const int w = rule.width, padded = paddedWidth(w), orders = stencils.orders;
    const long n = points.size();
    stencils.order.resize(n);
    stencils.start.resize(3 * n);
    stencils.weights.resize(3L * orders * padded * n);
    first.resize(3 * n);
    offset.resize(3 * n);
    threads.execute([&](int thread) {
        auto [begin, end] = threads.share(n, thread);
        for (long i = begin; i < end; i++)
            for (int d = 0; d < 3; d++) {
                double u = points[i][0] * toGrid[d][0] + points[i][1] * toGrid[d][1] + points[i][2] * toGrid[d][2];
                u -= size[d] * floor(u / size[d]);
                double left = u - 0.5 * w;
                int start = (int) floor(left) + 1;
                first[3 * i + d] = ((start % size[d]) + size[d]) % size[d];
                offset[3 * i + d] = (Real) (left - floor(left) - 0.5);
            }
        threads.wait();
        if (thread == 0)
            sortByRow(stencils);
        threads.wait();
        for (long s = begin; s < end; s++) {
            long i = stencils.order[s];
            for (int d = 0; d < 3; d++) {
                stencils.start[3 * s + d] = first[3 * i + d];
                loops.window(w, orders, rule.degree, coefficients.data(), offset[3 * i + d], &stencils.weights[padded * orders * (3 * s + d)]);
            }
        }
    });
}

template <class Real>
void MeshSum<Real>::setPositions(const vector<Vec3>& newPositions) {
    PotentialSolver::setPositions(newPositions);
    place(newPositions, atoms);
}

template <class Real>
void MeshSum<Real>::setCharges(const vector<Vec3>& newPlaces, const vector<double>& newCharges) {
    PotentialSolver::setCharges(newPlaces, newCharges);
    place(newPlaces, pointCharges);
}

template <class Real>
void MeshSum<Real>::sortByRow(Stencils& stencils) {
    const long n = stencils.order.size(), rows = (long) size[0] * size[1];
    auto row = [&](long i) { return (long) first[3 * i] * size[1] + first[3 * i + 1]; };
    next.assign(rows + 1, 0);
    for (long i = 0; i < n; i++)
        next[row(i) + 1]++;
    for (long r = 0; r < rows; r++)
        next[r + 1] += next[r];
    stencils.planeStart.resize(size[0] + 1);
    for (int plane = 0; plane <= size[0]; plane++)
        stencils.planeStart[plane] = next[(long) plane * size[1]];
    for (long i = 0; i < n; i++)
        stencils.order[next[row(i)]++] = i;
}

template <class Real>
void MeshSum<Real>::readSources(const vector<Multipole>& sources, int thread) {
    auto [begin, end] = threads.share(sources.size(), thread);
    for (long place = begin; place < end; place++) {
        prefetch(sources, atoms.order, place);
        const Multipole& m = sources[atoms.order[place]];
        Real* s = &gridSources[10 * place];
        s[0] = (Real) m.charge;
        for (int d = 0; d < 3; d++) {
            s[1 + d] = (Real) (toGrid[d][0] * m.dipole[0] + toGrid[d][1] * m.dipole[1] + toGrid[d][2] * m.dipole[2]);
            for (int e = d; e < 3; e++) {
                double sum = 0;
                for (int a = 0; a < 3; a++)
                    for (int b = 0; b < 3; b++)
                        sum += toGrid[d][a] * m.quadrupole[PAIR[a][b]] * toGrid[e][b];
                s[4 + PAIR[d][e]] = (Real) (d == e ? 0.5 * sum : sum);
            }
        }
    }
}

template <class Real>
template <class Spread>
void MeshSum<Real>::spreadAndTransform(const Stencils& stencils, int thread, Spread spreadStencil) {
    const auto [begin, end] = threads.share(size[0], thread);
    if (begin == end)
        return;
    const long w = rule.width;
    // Windows that begin up to w-1 planes before this thread's planes reach into them.
    const long firsts = min<long>(size[0], end - begin + w - 1);
    // Planes are cleared, filled and transformed one after the other while they are in the cache, unless windows reach
    // around the whole mesh.
    const bool allAtOnce = (firsts == size[0]);
    const long planesAtOnce = 4;
    long cleared = begin, transformed = begin;
    for (long first = end - firsts; first < end; first++) {
        const long needed = (allAtOnce ? end : min<long>(end, first + w));
        if (cleared < needed) {
            fill(mesh.begin() + cleared * spectrum.shape.plane, mesh.begin() + needed * spectrum.shape.plane, Real(0));
            cleared = needed;
        }
        const long plane = (first + size[0]) % size[0];
        for (long s = stencils.planeStart[plane]; s < stencils.planeStart[plane + 1]; s++)
            spreadStencil(s, begin, end);
        if (!allAtOnce && first + 1 - transformed >= planesAtOnce) {
            fourier.forwardPlanes(spectrum, transformed, first + 1);
            transformed = first + 1;
        }
    }
    fourier.forwardPlanes(spectrum, transformed, end);
}

template <class Real>
void MeshSum<Real>::convolve(int thread) {
    auto [begin, end] = threads.share(size[1], thread);
    fourier.convolveRows(spectrum, begin, end);
}

template <class Real>
void MeshSum<Real>::transformBack(int thread) {
    auto [begin, end] = threads.share(size[0], thread);
    fourier.backwardPlanes(spectrum, begin, end);
}

template <class Real>
void MeshSum<Real>::sumPotential(const vector<Multipole>& sources, int thread) {
    readSources(sources, thread);
    threads.wait();
    spreadAndTransform(atoms, thread, [&](long s, int begin, int end) {
        loops.spread(rule.width, &gridSources[10 * s], weightsOf(atoms, s), &atoms.start[3 * s], spectrum.shape, mesh.data(), begin, end);
    });
    convolveAndTransformBack(thread);
}

template <class Real>
void MeshSum<Real>::convolveAndTransformBack(int thread) {
    threads.wait();
    convolve(thread);
    threads.wait();
    transformBack(thread);
    threads.wait();
}

template <class Real>
void MeshSum<Real>::transformDerivatives(const Real* grid, Derivatives& result) const {
    result = Derivatives();
    result.value = grid[0];
    double second[3][3], third[3][3][3];  // the first index is Cartesian, the others are along the mesh
    for (int a = 0; a < 3; a++) {
        for (int d = 0; d < 3; d++)
            result.gradient[a] += toGrid[d][a] * grid[1 + d];
        for (int e = 0; e < 3; e++) {
            second[a][e] = 0;
            for (int d = 0; d < 3; d++)
                second[a][e] += toGrid[d][a] * grid[4 + PAIR[d][e]];
            for (int f = e; f < 3; f++) {
                third[a][e][f] = 0;
                for (int d = 0; d < 3; d++)
                    third[a][e][f] += toGrid[d][a] * grid[10 + TRIPLE[d][e][f]];
                third[a][f][e] = third[a][e][f];
            }
        }
    }
    for (int a = 0; a < 3; a++)
        for (int b = a; b < 3; b++) {
            double partial[3];
            for (int e = 0; e < 3; e++)
                result.second[PAIR[a][b]] += second[a][e] * toGrid[e][b];
            for (int f = 0; f < 3; f++) {
                partial[f] = 0;
                for (int e = 0; e < 3; e++)
                    partial[f] += third[a][e][f] * toGrid[e][b];
            }
            for (int c = b; c < 3; c++)
                for (int f = 0; f < 3; f++)
                    result.third[TRIPLE[a][b][c]] += partial[f] * toGrid[f][c];
        }
}

template <class Real>
void MeshSum<Real>::gatherAtAtoms(vector<Derivatives>& result, int thread) const {
    auto [begin, end] = threads.share(result.size(), thread);
    for (long s = begin; s < end; s++) {
        prefetch(result, atoms.order, s);
        Real grid[20];
        loops.gather(rule.width, weightsOf(atoms, s), &atoms.start[3 * s], spectrum.shape, mesh.data(), grid);
        transformDerivatives(grid, result[atoms.order[s]]);
    }
}

template <class Real>
void MeshSum<Real>::potentialAtAtoms(const vector<Multipole>& sources, vector<Derivatives>& result) {
    gridSources.resize(10 * sources.size());
    result.resize(sources.size());
    threads.execute([&](int thread) {
        sumPotential(sources, thread);
        gatherAtAtoms(result, thread);
    });
}

template <class Real>
void MeshSum<Real>::potentialOfCharges(vector<Derivatives>& result) {
    result.resize(atoms.order.size());
    threads.execute([&](int thread) {
        spreadAndTransform(pointCharges, thread, [&](long s, int begin, int end) {
            const Real charge = (Real) (*charges)[pointCharges.order[s]];
            loops.spreadCharge(rule.width, charge, weightsOf(pointCharges, s), &pointCharges.start[3 * s], spectrum.shape, mesh.data(), begin, end);
        });
        convolveAndTransformBack(thread);
        gatherAtAtoms(result, thread);
    });
}

template <class Real>
void MeshSum<Real>::gradientAtCharges(const vector<Multipole>&, vector<Vec3>& result) {
    result.resize(pointCharges.order.size());
    threads.execute([&](int thread) {
        auto [begin, end] = threads.share(result.size(), thread);
        for (long s = begin; s < end; s++) {
            Real grid[4];
            loops.gatherGradient(rule.width, weightsOf(pointCharges, s), &pointCharges.start[3 * s], spectrum.shape, mesh.data(), grid);
            Vec3& gradient = result[pointCharges.order[s]];
            for (int a = 0; a < 3; a++)
                gradient[a] = grid[1] * toGrid[0][a] + grid[2] * toGrid[1][a] + grid[3] * toGrid[2][a];
        }
    });
}

template <class Real>
void MeshSum<Real>::potentialAtPoints(const vector<Vec3>& points, const vector<Multipole>& sources, vector<double>& result) {
    Stencils stencils;
    place(points, stencils);
    gridSources.resize(10 * sources.size());
    result.resize(points.size());
    threads.execute([&](int thread) {
        sumPotential(sources, thread);
        auto [begin, end] = threads.share(points.size(), thread);
        for (long s = begin; s < end; s++) {
            Real grid[20];
            loops.gather(rule.width, weightsOf(stencils, s), &stencils.start[3 * s], spectrum.shape, mesh.data(), grid);
            result[stencils.order[s]] = grid[0];
        }
    });
}

template <class Real>
void MeshSum<Real>::getMeshSize(int result[3]) const {
    copy(size, size + 3, result);
}

template class PolarMPPlugin::MeshSum<float>;
template class PolarMPPlugin::MeshSum<double>;
