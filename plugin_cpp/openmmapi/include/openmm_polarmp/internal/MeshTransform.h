#pragma once
#include <memory>

namespace PolarMPPlugin {

/**
 * The Fourier transform of one mesh on the CPU platform, between a real array [nx][ny][nz] and the half of its
 * spectrum [nx][ny][nz/2+1]. Neither direction is normalised. backward() may destroy the spectrum.
 */
class MeshTransform {
public:
    virtual ~MeshTransform() = default;
    virtual void forward() = 0;
    virtual void backward() = 0;
};

/** Where the transforms come from. The Python package registers torch's, which is loaded anyway. */
class MeshTransformFactory {
public:
    virtual ~MeshTransformFactory() = default;
    /** @param real, spectrum  arrays that stay in place as long as the transform lives */
    virtual std::unique_ptr<MeshTransform> create(const int size[3], bool isDouble, void* real, void* spectrum) = 0;
    static void setFactory(std::unique_ptr<MeshTransformFactory> factory);
    /** Throws if none is registered. */
    static MeshTransformFactory& getFactory();
};

} // namespace PolarMPPlugin
