#pragma once
#include "Flows.h"
#include "Moments.h"
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/** The threads of a platform that has its own: a source may divide its work among them. */
class WorkerThreads {
public:
    virtual ~WorkerThreads() = default;
    virtual int getNumThreads() const = 0;
    /** Calls work(part) once for each of getNumThreads() parts, in any thread, and returns when all are done. The work must not throw. */
    virtual void executeParts(const std::function<void(int part)>& work) = 0;
};

/**
 * The memory through which a platform's kernel and a source of moments communicate. The kernel owns it, allocates it once
 * per Context and keeps it at the same address. Everything is in the model's units (A, e, eV), in the order of the force's
 * particles, C-contiguous. See theory.md sections 1 and 4 for the symbols, and Moments.h for the moments' shapes and units.
 */
struct SourceBuffers {
    enum Device { Host, CUDA };
    int numParticles = 0;
    bool periodic = false;
    Device device = Host;
    int deviceIndex = 0;
    bool doublePositions = true;  // type of positions and energy
    bool doubleMoments = true;    // type of moments, gradients and forces
    std::vector<int> particles;   // the System's index of each of the force's particles
    WorkerThreads* threads = nullptr;  // null on the Reference platform, whose code is sequential

    // kernel -> source, before forward()
    void* positions = nullptr;     // [N,3]   A
    double* cell = nullptr;        // [3,3]   A, rows are the box vectors; always in host memory
    // source -> kernel, by forward()
    void* energy = nullptr;           // [1]  eV, the sum of the short-range energies
    void* moments[NUM_MOMENTS] = {};  // the kernel takes the quadrupoles' symmetric traceless part and the polarizabilities' symmetric part
    // kernel -> source, before backward()
    void* gradients[NUM_MOMENTS] = {};  // lambda of theory.md section 4: derivatives of the electrostatic energy by the moments
    // source -> kernel, by backward()
    void* forces = nullptr;  // [N,3]   eV/A: -d/dr( sum e + lambda . M ) at fixed lambda
    // of sources whose charges flow between neighbours, in the type of the moments: Flows.h says what and when
    void* flows[NUM_FLOW_VALUES] = {};  // [N]
};

/** Which moments a source provides. A charge is always among them. */
class MomentSet {
public:
    bool& operator[](Moment moment) {
        return present[moment];
    }
    bool operator[](Moment moment) const {
        return present[moment];
    }
    bool induces() const {
        return present[SOFTNESS] || present[POLARIZABILITY] || conducts;
    }
    /** The source knows pairs of neighbours that have exchanged charge: it gives local charges, and flow() is called. */
    bool flows = false;
    /** Charge flows between these neighbours in response to potentials. */
    bool conducts = false;

private:
    bool present[NUM_MOMENTS] = {true};
};

/** Values of all moments in host memory, or derivatives by them: [N * components] each, empty where a moment is absent. */
using MomentArrays = std::array<std::vector<double>, NUM_MOMENTS>;

/** One Context's use of a source: whatever must be remembered between forward() and backward() is stored here. */
class SourceEvaluation {
public:
    virtual ~SourceEvaluation() = default;
    /**
     * Positions -> short-range energy and moments.
     *
     * @param includeGradients  whether backward() will be called for the same positions
     */
    virtual void forward(bool includeGradients) = 0;
    /**
     * Derivatives of the energy with respect to the moments -> forces.
     *
     * @param field  in a periodic box with an external field: the latent field (V/A), for which the force of the
     *               moving charges, sum_j E.(r_j - r_i) dq_j/dr_i between nearest images, is added (theory.md
     *               section 6). Where charges flow the q are the local ones, and -E.d_ij is added to the derivative by
     *               each t_ij. Zero otherwise: the gradients contain a cluster's field.
     */
    virtual void backward(const double field[3]) = 0;
    /**
     * The charge that flows between neighbours (theory.md section 8), between forward() and backward(): from Phi' in the
     * buffers to dq_i = sum_j p_ij, p_ij = -f_ij (Phi'_i - Phi'_j - E.d_ij), and to the energy
     * -1/2 f_ij (Phi'_i - Phi'_j - E.d_ij)^2 - E.d_ij t_ij of every pair, which any of its atoms may have. backward() then adds the
     * derivatives by the f_ij, with this Phi'.
     *
     * @param field     latent, V/A, in clusters too
     * @param responds  whether there are the p_ij; in a step without field this is called only if there are
     */
    virtual void flow(const double field[3], bool responds) {
    }
    /** The pairs of the last forward(), of a source whose charges flow. */
    virtual void getPairFlows(PairFlows& flows) {
    }
    /**
     * The charge that an atom's motion moves to others, times the distance, at the positions of the last forward():
     * sum_j (r_j - r_i)_a dq_j/dr_i,b (theory.md section 6).
     *
     * @param transfer  [N,3,3] in e, a: row, b: column
     * @return          whether the source can compute it
     */
    virtual bool chargeTransfer(double* transfer) {
        return false;
    }
    /** Whether it uses the threads of SourceBuffers, which the kernel then keeps awake for the whole step. */
    virtual bool usesThreads() const {
        return false;
    }
    /** Whether the moments never change, so that they need to be copied to a device only once. */
    virtual bool isConstant() const {
        return false;
    }
    /** On CUDA: the stream (CUstream) in which this evaluation queues its work. */
    virtual void* getStream() const {
        return nullptr;
    }
};

/**
 * Where the moments come from: a learned network, in C++ or in Python, or FixedMultipoles. A force shares one source among
 * its Contexts; each Context binds its own buffers.
 */
class MultipoleSource {
public:
    virtual ~MultipoleSource() = default;
    virtual MomentSet getMomentSet() const = 0;
    /** The number of particles that the source describes. */
    virtual int getNumParticles() const = 0;
    /** Whether the source can read and write buffers in the memory of a device. */
    virtual bool supportsDevice(SourceBuffers::Device device) const {
        return device == SourceBuffers::Host;
    }
    /** Whether the source's code may use CUDA's runtime (as torch does): it is then called in the device's primary context. */
    virtual bool usesCudaRuntime() const {
        return false;
    }
    virtual std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) = 0;
};

/**
 * What a serialized force keeps of its source: a kind ("fixed" or one that a registered factory knows) and its
 * properties. The source itself is created when a Context needs it, so that a missing model file is reported there.
 */
struct SourceDescription {
    std::string kind;
    std::map<std::string, std::string> properties;
};

/** Creates sources of kinds that this library does not know. The Python package registers one. */
class SourceFactory {
public:
    virtual ~SourceFactory() = default;
    virtual std::shared_ptr<MultipoleSource> create(const SourceDescription& description) = 0;
    static void setFactory(std::unique_ptr<SourceFactory> factory);
    static SourceFactory* getFactory();
};

} // namespace PolarMPPlugin
