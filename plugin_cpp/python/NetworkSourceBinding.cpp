#include "NetworkSourceBinding.h"
#include "openmm_polarmp/NetworkSource.h"
#include "openmm_polarmp/PolarMPForce.h"
#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace PolarMPPlugin;
using namespace std;

namespace {

/** From openmm_polarmp.models.couplings.SparseCoupling. */
SparseCoupling sparseCoupling(nb::handle object) {
    SparseCoupling coupling;
    coupling.numRows = nb::cast<int>(object.attr("num_rows"));
    coupling.paths = nb::cast<vector<int>>(object.attr("paths"));
    coupling.row = nb::cast<vector<int>>(object.attr("row"));
    coupling.left = nb::cast<vector<int>>(object.attr("left"));
    coupling.right = nb::cast<vector<int>>(object.attr("right"));
    coupling.value = nb::cast<vector<double>>(object.attr("value"));
    return coupling;
}

using Weights = map<string, tuple<vector<int>, vector<double>>>;

shared_ptr<const NetworkParameters> parametersOf(const nb::dict& settings, const Weights& weights) {
    auto p = make_shared<NetworkParameters>();
    auto read = [&](const char* name, auto& target) { target = nb::cast<remove_reference_t<decltype(target)>>(settings[name]); };
    read("num_species", p->numSpecies);
    read("layers", p->layers);
    read("l_max", p->lMax);
    read("l_message", p->lMessage);
    read("channels", p->channels);
    read("message_channels", p->messageChannels);
    read("num_radial", p->numRadial);
    read("hidden", p->hidden);
    read("correlation", p->correlation);
    read("density_limit", p->densityLimit);
    read("cutoff", p->cutoff);
    read("radial_scale", p->radialScale);
    read("charges", p->charges);
    read("dipoles", p->dipoles);
    read("quadrupoles", p->quadrupoles);
    read("softness", p->softness);
    read("polarizability", p->polarizability);
    read("tensor_polarizability", p->tensorPolarizability);
    read("largest_softness", p->largestSoftness);
    read("largest_polarizability", p->largestPolarizability);
    read("transfers", p->transfers);
    read("conducts", p->conducts);
    read("formal_charges", p->formalCharges);
    read("electronegativities", p->electronegativities);
    read("charge_projection", p->chargeProjection);
    read("energy_scale", p->energyScale);
    read("energy_shift", p->energyShift);
    read("zbl_number", p->zblNumber);
    read("zbl_radius", p->zblRadius);
    read("tensor_to_cartesian", p->tensorToCartesian);
    p->secondHarmonics = sparseCoupling(settings["second_harmonics"]);
    p->message = sparseCoupling(settings["message"]);
    for (nb::handle layer : nb::cast<nb::list>(settings["products"])) {
        p->products.emplace_back();
        for (nb::handle coupling : nb::cast<nb::list>(layer))
            p->products.back().push_back(sparseCoupling(coupling));
    }
    for (const auto& [name, weight] : weights)
        p->weights[name] = {get<0>(weight), get<1>(weight)};
    return p;
}

void construct(NetworkSource* self, nb::dict settings, const Weights& weights, vector<int> kinds, double totalCharge, bool doublePrecision) {
    new (self) NetworkSource(parametersOf(settings, weights), kinds, totalCharge, doublePrecision);
}

} // namespace

void PolarMPPlugin::bindNetworkSource(nb::module_& m) {
    // OpenMM does not free a Context whose construction fails, and with it a source: users need not be warned of that leak.
    nb::set_leak_warnings(false);
    nb::class_<NetworkSource>(m, "NetworkSource", "A PolarMPNet that the plugin's own kernels evaluate: openmm_polarmp.sources.native makes it.")
        .def("__init__", &construct)
        .def_prop_ro("num_particles", &NetworkSource::getNumParticles)
        .def_prop_ro("total_charge", &NetworkSource::getTotalCharge);
    m.def("set_network_source", [](uintptr_t f, shared_ptr<NetworkSource> source, const string& kind, const map<string, string>& properties) {
        auto& force = dynamic_cast<PolarMPForce&>(*reinterpret_cast<OpenMM::Force*>(f));
        force.setSource(source);
        force.setSourceDescription({kind, properties});
    });
    // The Python object as which the source was created, also of a subclass; None if the force has another source.
    m.def("get_network_source", [](uintptr_t f) {
        return dynamic_pointer_cast<NetworkSource>(dynamic_cast<PolarMPForce&>(*reinterpret_cast<OpenMM::Force*>(f)).requireSource());
    });
}
