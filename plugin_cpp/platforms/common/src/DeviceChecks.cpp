#include "DeviceChecks.h"
#include "openmm/OpenMMException.h"
#include <limits>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

/** In the order in which a step meets them. */
enum Quantity { POSITION, SOURCE_ENERGY, CHARGE, DIPOLE, QUADRUPOLE, SOFTNESS, POLARIZABILITY, SOURCE_FORCE, ELECTROSTATIC_FORCE };
const char* const QUANTITY_MACROS[] = {"POSITION", "SOURCE_ENERGY", "CHARGE", "DIPOLE", "QUADRUPOLE", "SOFTNESS", "POLARIZABILITY", "SOURCE_FORCE",
                                       "ELECTROSTATIC_FORCE"};
const char* const QUANTITY_NAMES[] = {"position", "energy", "charge", "dipole", "quadrupole", "softness", "polarizability",
                                      "force from the source of moments", "electrostatic force"};

/** What can be wrong with a number. */
enum Fault { IS_NAN, IS_POSITIVE_INFINITY, IS_NEGATIVE_INFINITY, IS_NEGATIVE, NUM_FAULTS };
const char* const FAULT_MACROS[] = {"IS_NAN", "IS_POSITIVE_INFINITY", "IS_NEGATIVE_INFINITY", "IS_NEGATIVE", "NUM_FAULTS"};

/** Which of the notes is about what. */
enum Note { OF_INPUT, OF_FORCES };

} // namespace

map<string, string> DeviceChecks::defines() {
    map<string, string> result = {{"OF_INPUT", to_string(OF_INPUT)}, {"OF_FORCES", to_string(OF_FORCES)}};
    for (int i = POSITION; i <= ELECTROSTATIC_FORCE; i++)
        result[QUANTITY_MACROS[i]] = to_string(i);
    for (int i = IS_NAN; i <= NUM_FAULTS; i++)
        result[FAULT_MACROS[i]] = to_string(i);
    return result;
}

DeviceChecks::DeviceChecks(ComputeContext& cc, const vector<int>& particles, ComputeProgram& program, shared_ptr<void> memory)
        : cc(cc), particles(particles) {
    notes.initialize<unsigned int>(cc, NUM_NOTES, "polarmpNotes");
    momentsKernel = program->createKernel("checkMoments");
    for (int i = 0; i < 6; i++)
        momentsKernel->addArg();
    momentsKernel->addArg(notes);
    momentsKernel->addArg();
    download = make_unique<AsyncDownload>(cc, notes, memory);
    clear();
}

void DeviceChecks::checkMoments(SourceArrays& arrays) {
    int i = 0;
    for (ComputeArray* array : {&arrays.energy, &arrays.charges, &arrays.dipoles, &arrays.quadrupoles, &arrays.softness, &arrays.polarizability})
        momentsKernel->setArg(i++, *array);
    momentsKernel->setArg(7, (int) arrays.energy.getSize());
    momentsKernel->execute(particles.size());
}

void DeviceChecks::send() {
    download->start();
}

void DeviceChecks::look(const SourceArrays& arrays) const {
    const unsigned int* sent = download->get<unsigned int>();
    // A note of forces comes from the last step, or from the end of this one, which then began well.
    for (Note note : {OF_FORCES, OF_INPUT})
        if (sent[note] != 0)
            report(sent[note], arrays);
}

void DeviceChecks::glance(const SourceArrays& arrays) const {
    const volatile unsigned int* arrived = download->glance<unsigned int>();
    for (int note = 0; note < NUM_NOTES; note++)
        if (arrived[note] != 0)
            look(arrays);
}

void DeviceChecks::clear() {
    download->clear();
    cc.clearBuffer(notes);
}

void DeviceChecks::report(unsigned int note, const SourceArrays& arrays) const {
    unsigned int code = numeric_limits<unsigned int>::max() - note, fault = code % NUM_FAULTS;
    unsigned int particle = code / NUM_FAULTS % particles.size(), quantity = code / NUM_FAULTS / particles.size();
    double value = numeric_limits<double>::quiet_NaN();
    if (fault == IS_POSITIVE_INFINITY || fault == IS_NEGATIVE_INFINITY)
        value = (fault == IS_POSITIVE_INFINITY ? 1 : -1) * numeric_limits<double>::infinity();
    else if (fault == IS_NEGATIVE) {
        vector<double> softness;
        arrays.softness.download(softness, true);
        value = softness[particle];
    }
    if (quantity == SOURCE_ENERGY)
        refuseEnergy();
    refuse(QUANTITY_NAMES[quantity], particles[particle], value);
}
