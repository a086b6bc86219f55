#include "TorchBinding.h"
#include "../torch/ClusterPotentials.h"
#include "../torch/ParallelFor.h"
#include "../torch/TorchLoops.h"
#include <algorithm>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace PolarMPPlugin;
using namespace std;

namespace {

template <class T>
using Array = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

/** Multiplications that take about as long as it takes to start ten threads. */
constexpr long WORTH_A_THREAD = 1000000;

/** The terms of a bilinear map, ordered by output, in both precisions. */
class SparseBilinear {
public:
    /** Terms (output, left, right, value). */
    SparseBilinear(int outputs, int lefts, int rights, const vector<tuple<int, int, int, double>>& terms)
        : sizes{outputs, lefts, rights}, first(outputs + 1, 0) {
        for (const auto& [output, left, right, value] : terms) {
            if (output < 0 || output >= outputs || left < 0 || left >= lefts || right < 0 || right >= rights)
                throw nb::value_error("a term of a bilinear map names a component that does not exist");
            first[output + 1]++;
        }
        for (int k = 0; k < outputs; k++)
            first[k + 1] += first[k];
        vector<int> next(first.begin(), first.end() - 1);
        single.resize(terms.size());
        full.resize(terms.size());
        for (const auto& [output, left, right, value] : terms) {
            const int t = next[output]++;
            single[t] = {left, right, (float) value};
            full[t] = {left, right, value};
        }
    }

    template <class Real>
    void apply(Array<const Real> left, Array<const Real> right, Array<Real> out, int threads) const {
        const size_t length = out.shape(1);
        if ((int) left.shape(0) != sizes[1] || (int) right.shape(0) != sizes[2] || (int) out.shape(0) != sizes[0] || left.shape(1) != length
            || right.shape(1) != length)
            throw nb::value_error("arrays of a bilinear map have other sizes than it");
        const BilinearMap<Real> map = {sizes[0], first.data(), terms((Real) 0)};
        nb::gil_scoped_release release;
        const Real *a = left.data(), *b = right.data();
        Real* y = out.data();
        parallelFor((long) length, WORTH_A_THREAD / (1 + (long) full.size()), threads, [&](long begin, long end) {
            torchLoops<Real>().bilinear(map, a, b, (long) length, begin, end, y);
        });
    }

private:
    const BilinearTerm<float>* terms(float) const {
        return single.data();
    }
    const BilinearTerm<double>* terms(double) const {
        return full.data();
    }
    int sizes[3];
    vector<int> first;
    vector<BilinearTerm<float>> single;
    vector<BilinearTerm<double>> full;
};

/** Sums over the neighbours of each kind, and their derivatives: pairs are [atom * neighbour][...], sums [lm][atom * n * kind]. */
class DensitySums {
public:
    DensitySums(nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> kinds, int numKinds, int numHarmonics, int numRadial)
        : kinds(kinds), pairs{(long) kinds.shape(0), (long) kinds.shape(1), kinds.data(), numKinds, numHarmonics, numRadial} {
        for (size_t pair = 0; pair < kinds.size(); pair++)
            if (kinds.data()[pair] < 0 || kinds.data()[pair] >= numKinds)
                throw nb::value_error("a neighbour is of a kind that does not exist");
    }
    template <class Real>
    void sums(Array<const Real> Y, Array<const Real> B, Array<Real> X, int threads) const {
        check(isOfPairs(Y, pairs.numHarmonics) && isOfPairs(B, pairs.numRadial) && isOfAtoms(X));
        run<Real>(threads, torchLoops<Real>().densitySums, Y.data(), B.data(), X.data());
    }
    template <class Real>
    void byHarmonics(Array<const Real> B, Array<const Real> G, Array<Real> out, int threads) const {
        check(isOfPairs(B, pairs.numRadial) && isOfAtoms(G) && isOfPairs(out, pairs.numHarmonics));
        run<Real>(threads, torchLoops<Real>().byHarmonics, B.data(), G.data(), out.data());
    }
    template <class Real>
    void byRadial(Array<const Real> Y, Array<const Real> G, Array<Real> out, int threads) const {
        check(isOfPairs(Y, pairs.numHarmonics) && isOfAtoms(G) && isOfPairs(out, pairs.numRadial));
        run<Real>(threads, torchLoops<Real>().byRadial, Y.data(), G.data(), out.data());
    }

private:
    template <class T>
    bool isOfPairs(const Array<T>& array, int width) const {
        return (long) array.shape(0) == pairs.numAtoms * pairs.neighbors && (int) array.shape(1) == width;
    }
    template <class T>
    bool isOfAtoms(const Array<T>& array) const {
        return (int) array.shape(0) == pairs.numHarmonics && (long) array.shape(1) == pairs.numAtoms * pairs.numRadial * pairs.numKinds;
    }
    static void check(bool sizesAgree) {
        if (!sizesAgree)
            throw nb::value_error("arrays of pairs or of their sums have other sizes than the table of neighbours asks for");
    }
    template <class Real, class F>
    void run(int threads, F loops, const Real* a, const Real* b, Real* out) const {
        nb::gil_scoped_release release;
        const long perAtom = pairs.numHarmonics * pairs.numRadial * (pairs.neighbors + pairs.numKinds) + 1;
        parallelFor(pairs.numAtoms, WORTH_A_THREAD / perAtom, threads, [&](long begin, long end) {
            vector<Real> row(pairs.rowSize());
            loops(pairs, begin, end, a, b, row.data(), out);
        });
    }
    nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> kinds;  // keeps the numbers
    DensityPairs pairs;
};

/** Spreading on meshes and gathering from them. */
class MeshWindows {
public:
    MeshWindows(array<int, 3> shape, int width, int degree, nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> firstPoint)
        : firstPoint(firstPoint), plan{{shape[0], shape[1], shape[2]}, width, degree, 0, (long) firstPoint.size(), firstPoint.data()},
          points((long) shape[0] * shape[1] * shape[2]) {
        if (width < 1 || width > 16 || min({shape[0], shape[1], shape[2]}) < 1)
            throw nb::value_error("a mesh has points along every axis, and a window of 1 to 16");
    }
    template <class Real>
    void spread(Array<const Real> polynomials, Array<const Real> u, Array<const Real> coefficients, int order, Array<Real> meshes) {
        const MeshPlan used = checked(polynomials, u, coefficients.shape(0), coefficients.shape(1), order, meshes);
        nb::gil_scoped_release release;
        torchMeshLoops<Real>().spread(used, polynomials.data(), u.data(), coefficients.data(), meshes.data());
    }
    template <class Real>
    void gather(Array<const Real> polynomials, Array<const Real> u, Array<const Real> meshes, int order, Array<Real> derivatives, int threads) {
        const MeshPlan used = checked(polynomials, u, derivatives.shape(0), derivatives.shape(1), order, meshes);
        nb::gil_scoped_release release;
        const Real *p = polynomials.data(), *at = u.data(), *mesh = meshes.data();
        Real* out = derivatives.data();
        const long perAtom = (long) used.width * used.width * used.width * (order + 1);
        parallelFor(used.numAtoms, WORTH_A_THREAD / perAtom, threads, [&](long begin, long end) {
            torchMeshLoops<Real>().gather(used, begin, end, p, at, mesh, out);
        });
    }

private:
    template <class P, class U, class M>
    MeshPlan checked(const P& polynomials, const U& u, size_t atoms, size_t components, int order, const M& meshes) const {
        const size_t expected = (size_t) (order + 1) * (order + 2) * (order + 3) / 6;
        bool fits = order >= 0 && order < 8 && (long) u.shape(0) == plan.numAtoms && u.shape(1) == 3 && (long) atoms == plan.numAtoms
                    && components == expected && (long) meshes.shape(1) == points && (int) polynomials.shape(0) == plan.degree + 1
                    && (int) polynomials.shape(1) == (order + 1) * plan.width;
        for (long atom = 0; fits && atom < plan.numAtoms; atom++)
            fits = plan.firstPoint[atom] >= 0 && plan.firstPoint[atom] + points <= (long) meshes.size();
        if (!fits)
            throw nb::value_error("arrays of meshes do not have the sizes that their shape, the window and the order ask for");
        MeshPlan used = plan;
        used.order = order;
        return used;
    }
    nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> firstPoint;  // keeps the numbers
    MeshPlan plan;
    long points;
};

void addClusterPotentials(Array<const double> positions, nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> sizes, double sigma,
                          const vector<pair<int, int>>& orders, Array<const double> sources, Array<double> potentials) {
    vector<SetOrders> sets;
    for (const auto& [source, potential] : orders)
        sets.push_back({source, potential});
    ClusterPotentials clusters(sigma, sets);
    const size_t count = positions.shape(1);
    vector<long> numAtoms(sizes.data(), sizes.data() + sizes.shape(0));
    long total = 0;
    for (long n : numAtoms)
        total += n;
    if (positions.shape(0) != 3 || total != (long) count || sources.shape(1) != count || potentials.shape(1) != count
        || (int) sources.shape(0) != clusters.numSources() || (int) potentials.shape(0) != clusters.numPotentials())
        throw nb::value_error("arrays of clusters do not have the sizes that their orders and numbers of atoms ask for");
    nb::gil_scoped_release release;
    clusters.add({(long) count, positions.data(), (long) numAtoms.size(), numAtoms.data()}, sources.data(), potentials.data());
}

} // namespace

void PolarMPPlugin::bindTorchLoops(nb::module_& m) {
    nb::class_<SparseBilinear>(m, "SparseBilinear")
        .def(nb::init<int, int, int, const vector<tuple<int, int, int, double>>&>(), "outputs"_a, "lefts"_a, "rights"_a, "terms"_a)
        .def("apply", &SparseBilinear::apply<float>, "left"_a, "right"_a, "out"_a, "threads"_a)
        .def("apply", &SparseBilinear::apply<double>, "left"_a, "right"_a, "out"_a, "threads"_a);
    nb::class_<DensitySums>(m, "DensitySums")
        .def(nb::init<nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>, int, int, int>(), "kinds"_a, "num_kinds"_a,
             "num_harmonics"_a, "num_radial"_a)
        .def("sums", &DensitySums::sums<float>)
        .def("sums", &DensitySums::sums<double>)
        .def("by_harmonics", &DensitySums::byHarmonics<float>)
        .def("by_harmonics", &DensitySums::byHarmonics<double>)
        .def("by_radial", &DensitySums::byRadial<float>)
        .def("by_radial", &DensitySums::byRadial<double>);
    nb::class_<MeshWindows>(m, "MeshWindows")
        .def(nb::init<array<int, 3>, int, int, nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>>(), "shape"_a, "width"_a,
             "degree"_a, "first_point"_a)
        .def("spread", &MeshWindows::spread<float>)
        .def("spread", &MeshWindows::spread<double>)
        .def("gather", &MeshWindows::gather<float>)
        .def("gather", &MeshWindows::gather<double>);
    m.def("add_cluster_potentials", &addClusterPotentials, "positions"_a, "sizes"_a, "sigma"_a, "orders"_a, "sources"_a, "potentials"_a);
}
