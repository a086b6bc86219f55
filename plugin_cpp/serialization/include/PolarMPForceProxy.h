#pragma once
#include "openmm/serialization/SerializationProxy.h"

namespace PolarMPPlugin {

/** Writes a PolarMPForce to XML and reads it back. */
class PolarMPForceProxy : public OpenMM::SerializationProxy {
public:
    PolarMPForceProxy();
    void serialize(const void* object, OpenMM::SerializationNode& node) const override;
    void* deserialize(const OpenMM::SerializationNode& node) const override;
};

} // namespace PolarMPPlugin
