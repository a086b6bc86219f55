#include "MomentNames.h"
#include "NetworkSourceBinding.h"
#include "PythonError.h"
#include "PythonSource.h"
#include "TorchBinding.h"
#include "openmm_polarmp/FixedMultipoles.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm_polarmp/internal/TestSwitches.h"
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// OpenMM's own Python objects are SWIG's: they come as the address of the C++ object (int(object.this)).
namespace {

PolarMPForce& force(uintptr_t address) {
    auto* base = reinterpret_cast<Force*>(address);
    if (!PolarMPForce::exists(base))
        throw OpenMMException("this PolarMPForce no longer exists: it was deleted with its System, which must be kept as long as the force is used");
    return static_cast<PolarMPForce&>(*base);
}

Context& context(uintptr_t address) {
    return *reinterpret_cast<Context*>(address);
}

template <class T>
nb::object numpyArray(vector<T>&& values, vector<size_t> shape) {
    auto* memory = new vector<T>(move(values));
    nb::capsule owner(memory, [](void* p) noexcept { delete static_cast<vector<T>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(memory->data(), shape.size(), shape.data(), owner));
}

nb::dict stepData(uintptr_t forceAddress, uintptr_t contextAddress) {
    StepData data;
    {
        nb::gil_scoped_release release;
        force(forceAddress).getStepData(context(contextAddress), data);
    }
    size_t n = data.numParticles;
    nb::dict result;
    result["iterations"] = data.iterations;
    result["source_energy"] = data.sourceEnergy;
    result["field_scale"] = data.fieldScale;
    for (Moment m : ALL_MOMENTS) {
        result[MOMENTS[m].plural] = numpyArray(move(data.moments[m]), shapeOf(m, n));
        result[gradientsName(m).c_str()] = numpyArray(move(data.gradients[m]), shapeOf(m, n));
    }
    const size_t numLevels = data.fermiLevels.size();
    result["fermi_levels"] = numpyArray(move(data.fermiLevels), {numLevels});
    result["local_charges"] = numpyArray(move(data.localCharges), shapeOf(CHARGE, n));
    result["induced_charges"] = numpyArray(move(data.inducedCharges), shapeOf(CHARGE, n));
    result["induced_dipoles"] = numpyArray(move(data.inducedDipoles), shapeOf(DIPOLE, n));
    // Without embedding charges both are zero.
    data.embeddingPotential.resize(n);
    data.embeddingField.resize(3 * n);
    result["embedding_potential"] = numpyArray(move(data.embeddingPotential), shapeOf(CHARGE, n));
    result["embedding_field"] = numpyArray(move(data.embeddingField), shapeOf(DIPOLE, n));
    return result;
}

nb::dict pairFlows(uintptr_t forceAddress, uintptr_t contextAddress) {
    PairFlows flows;
    {
        nb::gil_scoped_release release;
        force(forceAddress).getPairFlows(context(contextAddress), flows);
    }
    size_t n = flows.charges.size();
    nb::dict result;
    result["pairs"] = numpyArray(move(flows.pairs), {n, 2});
    result["vectors"] = numpyArray(move(flows.vectors), {n, 3});
    result["charges"] = numpyArray(move(flows.charges), {n});
    result["conductances"] = numpyArray(move(flows.conductances), {n});
    result["induced"] = numpyArray(move(flows.induced), {n});
    return result;
}

/** [N,3,3], or None if the source cannot compute it. */
nb::object chargeTransfer(uintptr_t forceAddress, uintptr_t contextAddress) {
    vector<double> transfer;
    bool isAvailable;
    {
        nb::gil_scoped_release release;
        isAvailable = force(forceAddress).getChargeTransfer(context(contextAddress), transfer);
    }
    if (!isAvailable)
        return nb::none();
    const size_t n = transfer.size() / 9;
    return numpyArray(move(transfer), {n, 3, 3});
}

nb::object potentialAt(uintptr_t forceAddress, uintptr_t contextAddress, nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig> points) {
    vector<Vec3> positions;
    for (size_t i = 0; i < points.shape(0); i++)
        positions.push_back(Vec3(points.data()[3 * i], points.data()[3 * i + 1], points.data()[3 * i + 2]));
    vector<double> potential;
    {
        nb::gil_scoped_release release;
        force(forceAddress).getElectrostaticPotential(context(contextAddress), positions, potential);
    }
    size_t n = potential.size();
    return numpyArray(move(potential), {n});
}

} // namespace

NB_MODULE(_polarmp, m) {
    m.doc() = "C++ side of openmm_polarmp. Forces and Contexts are given as the addresses of OpenMM's C++ objects.";
    registerPythonErrors();
    bindSources(m);
    bindNetworkSource(m);
    bindTorchLoops(m);

    m.def("is_polarmp_force", [](uintptr_t f) { return PolarMPForce::exists(reinterpret_cast<Force*>(f)); });
    m.def("set_fixed_source", [](uintptr_t f, vector<double> charges, vector<double> dipoles, vector<double> quadrupoles, vector<double> softness,
                                 vector<double> polarizability) {
        force(f).setSource(make_shared<FixedMultipoles>(MomentArrays{charges, dipoles, quadrupoles, softness, polarizability}));
        force(f).setSourceDescription({});
    });
    m.def("set_python_source", [](uintptr_t f, nb::object source, const string& kind, const map<string, string>& properties) {
        force(f).setSource(make_shared<PythonSource>(source));
        force(f).setSourceDescription({kind, properties});
    });
    m.def("get_fixed_source", [](uintptr_t f) -> nb::object {
        auto* fixed = dynamic_cast<FixedMultipoles*>(force(f).getSource().get());
        return fixed == nullptr ? nb::none() : nb::cast(fixed->getValues());
    });
    m.def("get_python_source", [](uintptr_t f) -> nb::object {
        auto* python = dynamic_cast<PythonSource*>(force(f).requireSource().get());
        return python == nullptr ? nb::none() : python->getObject();
    });

    m.def("get_particles", [](uintptr_t f) { return force(f).getParticles(); });
    m.def("set_particles", [](uintptr_t f, vector<int> particles) { force(f).setParticles(particles); });
    m.def("get_embedding_particles", [](uintptr_t f) { return force(f).getEmbeddingParticles(); });
    m.def("get_embedding_charges", [](uintptr_t f) { return force(f).getEmbeddingCharges(); });
    m.def("set_embedding_charges",
          [](uintptr_t f, vector<int> particles, vector<double> charges) { force(f).setEmbeddingCharges(particles, charges); });
    m.def("get_embedding_scale", [](uintptr_t f) { return force(f).getEmbeddingScale(); });
    m.def("set_embedding_scale", [](uintptr_t f, double scale) { force(f).setEmbeddingScale(scale); });
    m.def("get_embedding_kernel", [](uintptr_t f) { return (int) force(f).getEmbeddingKernel(); });
    m.def("set_embedding_kernel", [](uintptr_t f, int kernel) { force(f).setEmbeddingKernel((PolarMPForce::EmbeddingKernel) kernel); });
    m.def("get_nonbonded_method", [](uintptr_t f) { return (int) force(f).getNonbondedMethod(); });
    m.def("set_nonbonded_method", [](uintptr_t f, int method) { force(f).setNonbondedMethod((PolarMPForce::NonbondedMethod) method); });
    m.def("get_polarization_type", [](uintptr_t f) { return (int) force(f).getPolarizationType(); });
    m.def("get_boundary", [](uintptr_t f) { return (int) force(f).getBoundary(); });
    m.def("set_boundary", [](uintptr_t f, int boundary) { force(f).setBoundary((PolarMPForce::Boundary) boundary); });
    m.def("get_mutual_induced_target_epsilon", [](uintptr_t f) { return force(f).getMutualInducedTargetEpsilon(); });
    m.def("set_mutual_induced_target_epsilon", [](uintptr_t f, double epsilon) { force(f).setMutualInducedTargetEpsilon(epsilon); });
    m.def("get_mutual_induced_max_iterations", [](uintptr_t f) { return force(f).getMutualInducedMaxIterations(); });
    m.def("set_mutual_induced_max_iterations", [](uintptr_t f, int iterations) { force(f).setMutualInducedMaxIterations(iterations); });
    m.def("set_polarization_type", [](uintptr_t f, int type) { force(f).setPolarizationType((PolarMPForce::PolarizationType) type); });
    m.def("get_constrained_charges", [](uintptr_t f) { return force(f).getConstrainedCharges(); });
    m.def("get_constrained_groups", [](uintptr_t f) { return force(f).getConstrainedGroups(); });
    m.def("set_total_charge_constraint", [](uintptr_t f, const vector<double>& charges, const vector<vector<int>>& groups) {
        force(f).setTotalChargeConstraint(charges, groups);
    });
    m.def("has_fermi_level", [](uintptr_t f) { return force(f).hasFermiLevel(); });
    m.def("get_fermi_level", [](uintptr_t f) { return force(f).getFermiLevel(); });
    m.def("set_fermi_level", [](uintptr_t f, double level) { force(f).setFermiLevel(level); });
    m.def("remove_fermi_level", [](uintptr_t f) { force(f).removeFermiLevel(); });
    m.def("get_sigma", [](uintptr_t f) { return force(f).getSigma(); });
    m.def("set_sigma", [](uintptr_t f, double sigma) { force(f).setSigma(sigma); });
    m.def("get_ewald_error_tolerance", [](uintptr_t f) { return force(f).getEwaldErrorTolerance(); });
    m.def("set_ewald_error_tolerance", [](uintptr_t f, double tolerance) { force(f).setEwaldErrorTolerance(tolerance); });
    m.def("get_k_max", [](uintptr_t f) { return force(f).getKMax(); });
    m.def("set_k_max", [](uintptr_t f, double kMax) { force(f).setKMax(kMax); });
    m.def("get_eps_inf", [](uintptr_t f) { return force(f).getEpsInf(); });
    m.def("set_eps_inf", [](uintptr_t f, double epsInf) { force(f).setEpsInf(epsInf); });
    m.def("get_pme_parameters", [](uintptr_t f) {
        int n[3];
        force(f).getPMEParameters(n[0], n[1], n[2]);
        return make_tuple(n[0], n[1], n[2]);
    });
    m.def("set_pme_parameters", [](uintptr_t f, int nx, int ny, int nz) { force(f).setPMEParameters(nx, ny, nz); });

    m.def("get_pme_parameters_in_context", [](uintptr_t f, uintptr_t c) {
        int n[3];
        force(f).getPMEParametersInContext(context(c), n[0], n[1], n[2]);
        return make_tuple(n[0], n[1], n[2]);
    });
    m.def("get_step_data", &stepData);
    m.def("get_pair_flows", &pairFlows);
    m.def("get_electrostatic_potential", &potentialAt);
    m.def("get_charge_transfer", &chargeTransfer);
    m.def("update_parameters_in_context", [](uintptr_t f, uintptr_t c) {
        nb::gil_scoped_release release;
        force(f).updateParametersInContext(context(c));
    });

    // For tests only.
    m.def(
        "set_test_switches", [](bool sourceWaits, bool openmmWaits, bool hostChecks) { testSwitches() = {sourceWaits, openmmWaits, hostChecks}; },
        "source_waits"_a = true, "openmm_waits"_a = true, "host_checks"_a = true,
        "Switch safeguards off in Contexts created afterwards; see TestSwitches.h.");
    m.def("window_coefficients", [](int width, int m, double beta, int degree) {
        vector<double> c = Window(width, m, beta, degree).getCoefficients();
        return numpyArray(move(c), {(size_t) width, (size_t) degree + 1});
    });
    m.def("window_transform", [](int width, int m, double beta, int degree, double k) { return Window(width, m, beta, degree).transform(k); });
    m.def("mesh_rules", []() {
        vector<tuple<double, int, int, double, int, double>> rows;
        for (const MeshRule& r : getMeshRules())
            rows.emplace_back(r.accuracy, r.width, r.m, r.beta, r.degree, r.spacing);
        return rows;
    });
}
