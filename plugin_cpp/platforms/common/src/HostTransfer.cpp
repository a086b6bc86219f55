#include "HostTransfer.h"
#include "openmm/internal/ThreadPool.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

class HostTransfer::PoolThreads : public WorkerThreads {
public:
    explicit PoolThreads(ThreadPool& pool) : pool(pool) {
    }
    int getNumThreads() const override {
        return pool.getNumThreads();
    }
    void executeParts(const function<void(int part)>& work) override {
        pool.execute([&](ThreadPool&, int part) { work(part); });
        pool.waitForThreads();
    }

private:
    ThreadPool& pool;
};

HostTransfer::HostTransfer(ComputeContext& cc, const NetworkSource& source, bool periodic, const vector<int>& particles)
        : source(source.inDoublePrecision()), threads(make_unique<PoolThreads>(cc.getThreadPool())) {
    const int n = source.getNumParticles();
    auto zeros = [n](vector<double>& values, int components) {
        values.assign(components * n, 0.0);
        return values.data();
    };
    SourceBuffers buffers;
    buffers.numParticles = n;
    buffers.periodic = periodic;
    buffers.particles = particles;
    buffers.threads = threads.get();
    buffers.positions = zeros(positions, 3);
    buffers.cell = cell;
    buffers.energy = &energy;
    for (Moment m : ALL_MOMENTS) {
        buffers.moments[m] = zeros(moments[m], MOMENTS[m].components);
        buffers.gradients[m] = zeros(gradients[m], MOMENTS[m].components);
    }
    buffers.forces = zeros(forces, 3);
    for (int value = 0; value < NUM_FLOW_VALUES; value++)
        buffers.flows[value] = zeros(flows[value], 1);
    evaluation = this->source.bind(buffers);
}

HostTransfer::~HostTransfer() = default;

void HostTransfer::compute(const ArrayInterface& devicePositions, const double* presentCell, vector<double>& transfer) {
    vector<double> present;
    devicePositions.download(present, true);
    copy(present.begin(), present.end(), positions.begin());  // the evaluation knows this memory
    copy(presentCell, presentCell + 9, cell);
    evaluation->forward(false);
    transfer.resize(9 * source.getNumParticles());
    evaluation->chargeTransfer(transfer.data());
}
