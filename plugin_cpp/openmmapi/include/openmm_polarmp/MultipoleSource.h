#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/** The threads of a platform that has some: a source may share its work among them. */
class WorkerThreads {
public:
    virtual ~WorkerThreads() = default;
    virtual int getNumThreads() const = 0;
    /** Calls work(part) for as many parts as there are threads, in any of them, and returns when all are done. The work must not throw. */
    virtual void executeParts(const std::function<void(int part)>& work) = 0;
};

/**
 * The memory through which a platform's kernel and a source of moments talk to each other. The kernel owns it,
 * allocates it once per Context and keeps it at the same address. Everything is in the model's units (A, e, eV),
 * in the order of the force's particles, C-contiguous. See theory.md sections 1 and 4 for the symbols.
 */
struct SourceBuffers {
    enum Device { Host, CUDA };
    int numParticles = 0;
    bool periodic = false;
    Device device = Host;
    int deviceIndex = 0;
    bool doublePositions = true;  // type of positions and energy
    bool doubleMoments = true;    // type of moments, gradients and forces
    std::vector<int> particles;   // the System's index of each of our particles
    WorkerThreads* threads = nullptr;  // none: the platform is the plain one to compare with

    // kernel -> source, before forward()
    void* positions = nullptr;     // [N,3]   A
    double* cell = nullptr;        // [3,3]   A, rows are the box vectors; always in host memory
    // source -> kernel, by forward()
    void* energy = nullptr;          // [1]     eV, the sum of the short-range energies
    void* charges = nullptr;         // [N]     e
    void* dipoles = nullptr;         // [N,3]   e A
    void* quadrupoles = nullptr;     // [N,3,3] e A^2; the kernel takes the symmetric traceless part
    void* softness = nullptr;        // [N]     e^2/eV
    void* polarizability = nullptr;  // [N,3,3] e^2 A^2/eV; the kernel takes the symmetric part
    // kernel -> source, before backward(): derivatives of the electrostatic energy, lambda of theory.md section 4
    void* chargeGradients = nullptr;          // [N]
    void* dipoleGradients = nullptr;          // [N,3]
    void* quadrupoleGradients = nullptr;      // [N,3,3] symmetric, traceless
    void* softnessGradients = nullptr;        // [N]
    void* polarizabilityGradients = nullptr;  // [N,3,3] symmetric
    // source -> kernel, by backward()
    void* forces = nullptr;  // [N,3]   eV/A: -d/dr( sum e + lambda . M ) at fixed lambda
};

/** Which moments a source provides. A charge is always there. */
struct MomentSet {
    bool dipoles = false, quadrupoles = false, softness = false, polarizability = false;
    bool induces() const {
        return softness || polarizability;
    }
};

/** One Context's use of a source: whatever must be remembered between forward() and backward() lives here. */
class SourceEvaluation {
public:
    virtual ~SourceEvaluation() = default;
    /** Positions -> short-range energy and moments. A later backward() is only announced by includeGradients. */
    virtual void forward(bool includeGradients) = 0;
    /**
     * Derivatives of the energy with respect to the moments -> forces.
     *
     * @param field  in a periodic box with an external field: the latent field (V/A), for which the force of the
     *               moving charges, sum_j E.(r_j - r_i) dq_j/dr_i between nearest images, is added (theory.md
     *               section 6). Zero otherwise: a cluster's field is contained in the gradients.
     */
    virtual void backward(const double field[3]) = 0;
    /** Works in the threads of SourceBuffers, which the kernel then keeps awake for the whole step. */
    virtual bool usesThreads() const {
        return false;
    }
    /** The moments never change (so that they need to travel to a device only once). */
    virtual bool isConstant() const {
        return false;
    }
    /** On CUDA: the stream (CUstream) in which this evaluation queues its work. */
    virtual void* getStream() const {
        return nullptr;
    }
};

/**
 * Where the moments come from: a learned network (through Python), or FixedMultipoles. A force shares one source
 * among its Contexts; each Context binds its own buffers.
 */
class MultipoleSource {
public:
    virtual ~MultipoleSource() = default;
    virtual MomentSet getMomentSet() const = 0;
    /** The number of particles that the source describes. */
    virtual int getNumParticles() const = 0;
    /** Devices other than the host on which the source can read and write buffers. */
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
 * properties. The source itself is made when a Context needs it, so that a missing model file is reported there.
 */
struct SourceDescription {
    std::string kind;
    std::map<std::string, std::string> properties;
};

/** Makes sources of kinds that this library does not know. The Python package registers one. */
class SourceFactory {
public:
    virtual ~SourceFactory() = default;
    virtual std::shared_ptr<MultipoleSource> create(const SourceDescription& description) = 0;
    static void setFactory(std::unique_ptr<SourceFactory> factory);
    static SourceFactory* getFactory();
};

} // namespace PolarMPPlugin
