#include "PythonSource.h"
#include "MomentNames.h"
#include "PythonError.h"
#include "openmm_polarmp/NetworkSource.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/Warning.h"
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace PolarMPPlugin;
using namespace std;

namespace {

nb::object tensor(void* data, vector<size_t> shape, bool isDouble, const SourceBuffers& buffers) {
    bool cuda = buffers.device == SourceBuffers::CUDA;
    nb::ndarray<nb::pytorch> view(data, shape.size(), shape.data(), nb::handle(), nullptr, isDouble ? nb::dtype<double>() : nb::dtype<float>(),
                                  cuda ? nb::device::cuda::value : nb::device::cpu::value, cuda ? buffers.deviceIndex : 0);
    return nb::cast(view, nb::rv_policy::reference);  // any other policy would copy
}

class PythonEvaluation : public SourceEvaluation {
public:
    PythonEvaluation(nb::object source, const SourceBuffers& b) {
        nb::object namespaceType = nb::module_::import_("types").attr("SimpleNamespace");
        size_t n = b.numParticles;
        nb::object view = namespaceType();
        nb::setattr(view, "periodic", nb::cast(b.periodic));
        nb::setattr(view, "particles", nb::cast(b.particles));
        nb::setattr(view, "positions", tensor(b.positions, {n, 3}, b.doublePositions, b));
        SourceBuffers host;
        nb::setattr(view, "cell", tensor(b.cell, {3, 3}, true, host));
        nb::setattr(view, "energy", tensor(b.energy, {1}, b.doublePositions, b));
        for (Moment m : ALL_MOMENTS) {
            nb::setattr(view, MOMENTS[m].plural, tensor(b.moments[m], shapeOf(m, n), b.doubleMoments, b));
            nb::setattr(view, gradientsName(m).c_str(), tensor(b.gradients[m], shapeOf(m, n), b.doubleMoments, b));
        }
        nb::setattr(view, "forces", tensor(b.forces, {n, 3}, b.doubleMoments, b));
        for (int value = 0; value < NUM_FLOW_VALUES; value++)
            nb::setattr(view, FLOW_VALUES[value].plural, tensor(b.flows[value], {n}, b.doubleMoments, b));
        evaluation = source.attr("bind")(view);
        forwardMethod = evaluation.attr("forward");
        backwardMethod = evaluation.attr("backward");
        stream = (void*) nb::cast<uintptr_t>(nb::getattr(evaluation, "stream", nb::int_(0)));
    }
    ~PythonEvaluation() override {
        discard(forwardMethod);
        discard(backwardMethod);
        discard(evaluation);
    }
    void forward(bool includeGradients) override {
        inPython([&]() { forwardMethod(includeGradients); });
    }
    void backward(const double field[3]) override {
        inPython([&]() { backwardMethod(nb::make_tuple(field[0], field[1], field[2])); });
    }
    void flow(const double field[3], bool responds) override {
        inPython([&]() { evaluation.attr("flow")(nb::make_tuple(field[0], field[1], field[2]), responds); });
    }
    void getPairFlows(PairFlows& flows) override {
        inPython([&]() {
            using Numbers = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
            nb::object result = evaluation.attr("pair_flows")();
            auto pairs = nb::cast<nb::ndarray<const int64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>>(result.attr("pairs"));
            auto vectors = nb::cast<Numbers>(result.attr("vectors")), charges = nb::cast<Numbers>(result.attr("charges"));
            auto conductances = nb::cast<Numbers>(result.attr("conductances"));
            for (size_t k = 0; k < pairs.shape(0); k++)
                flows.add(pairs.data()[2 * k], pairs.data()[2 * k + 1], vectors.data() + 3 * k, charges.data()[k], conductances.data()[k]);
        });
    }
    void* getStream() const override {
        return stream;
    }

private:
    template <class Work>
    void inPython(Work work) {
        nb::gil_scoped_acquire gil;
        try {
            work();
        }
        catch (nb::python_error& error) {
            throw PythonError(error);
        }
    }
    nb::object evaluation, forwardMethod, backwardMethod;
    void* stream = nullptr;
};

class PythonSourceFactory : public SourceFactory {
public:
    explicit PythonSourceFactory(nb::object function) : function(function) {
    }
    ~PythonSourceFactory() override {
        discard(function);
    }
    shared_ptr<MultipoleSource> create(const SourceDescription& description) override {
        nb::gil_scoped_acquire gil;
        try {
            nb::object source = function(description.kind, description.properties);
            if (nb::isinstance<NetworkSource>(source))
                return nb::cast<shared_ptr<NetworkSource>>(source);
            return make_shared<PythonSource>(source);
        }
        catch (nb::python_error& error) {
            throw PythonError(error);
        }
    }

private:
    nb::object function;
};

} // namespace

void PolarMPPlugin::discard(nb::object& object) {
    if (!Py_IsInitialized()) {
        object.release();
        return;
    }
    nb::gil_scoped_acquire gil;
    object.reset();
}

PythonSource::PythonSource(nb::object source) : source(source) {
    for (Moment m : ALL_MOMENTS)
        if (m != CHARGE)
            moments[m] = nb::cast<bool>(source.attr(("has_" + string(MOMENTS[m].plural)).c_str()));
    moments.flows = nb::cast<bool>(nb::getattr(source, "has_flows", nb::bool_(false)));
    moments.conducts = moments.flows && nb::cast<bool>(source.attr("has_conductance"));
    numParticles = nb::cast<int>(source.attr("num_particles"));
    supportsCuda = nb::cast<bool>(nb::getattr(source, "supports_cuda", nb::bool_(false)));
}

PythonSource::~PythonSource() {
    discard(source);
}

unique_ptr<SourceEvaluation> PythonSource::bind(const SourceBuffers& buffers) {
    nb::gil_scoped_acquire gil;
    try {
        return make_unique<PythonEvaluation>(source, buffers);
    }
    catch (nb::python_error& error) {
        throw PythonError(error);
    }
}

void PolarMPPlugin::bindSources(nb::module_& m) {
    m.def("set_source_factory", [](nb::object function) { SourceFactory::setFactory(make_unique<PythonSourceFactory>(function)); });
    m.def("set_warning_handler", [](nb::object function) {
        auto shared = shared_ptr<nb::object>(new nb::object(function), [](nb::object* object) {
            discard(*object);
            delete object;
        });
        setWarningHandler([shared](const string& message) {
            nb::gil_scoped_acquire gil;
            try {
                (*shared)(message);
            }
            catch (nb::python_error& error) {
                throw PythonError(error);
            }
        });
    });
    m.def("clear_hooks", []() {
        SourceFactory::setFactory(nullptr);
        setWarningHandler(nullptr);
    });
}
