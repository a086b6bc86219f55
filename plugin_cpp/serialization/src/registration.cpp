#include "PolarMPForceProxy.h"
#include "openmm_polarmp/PolarMPForce.h"
#include <typeinfo>

using namespace OpenMM;

/** Loading the library makes OpenMM able to read and write the force. */
__attribute__((constructor)) static void registerPolarMPSerializationProxies() {
    SerializationProxy::registerProxy(typeid(PolarMPPlugin::PolarMPForce), new PolarMPPlugin::PolarMPForceProxy());
}
