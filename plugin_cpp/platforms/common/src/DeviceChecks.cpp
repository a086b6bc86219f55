#include "DeviceChecks.h"
#include "openmm_polarmp/internal/UnusableNumber.h"
#include <cctype>
#include <limits>
#include <utility>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

/** A quantity's name in messages and its macro in kernels. */
struct Quantity {
    string name, macro;
};

/** In the order in which a step meets them: a note's number names one of them by its index. */
const vector<Quantity>& quantities() {
    static const vector<Quantity> all = [] {
        vector<Quantity> list = {{"position", "POSITION"}, {"energy", "SOURCE_ENERGY"}};
        for (Moment m : ALL_MOMENTS) {
            string macro;
            for (const char* letter = MOMENTS[m].name; *letter != 0; letter++)
                macro += toupper(*letter);
            list.push_back({MOMENTS[m].name, macro});
        }
        list.push_back({"force from the source of moments", "SOURCE_FORCE"});
        list.push_back({"electrostatic force", "ELECTROSTATIC_FORCE"});
        return list;
    }();
    return all;
}

/** What can be wrong with a number. */
enum Fault { IS_NAN, IS_POSITIVE_INFINITY, IS_NEGATIVE_INFINITY, IS_NEGATIVE, NUM_FAULTS };
const char* const FAULT_MACROS[] = {"IS_NAN", "IS_POSITIVE_INFINITY", "IS_NEGATIVE_INFINITY", "IS_NEGATIVE", "NUM_FAULTS"};

/** The two notes, as in kernels/checks.cc. */
enum Note { OF_INPUT, OF_FORCES };

} // namespace

map<string, string> DeviceChecks::defines(int numParticles) {
    map<string, string> result = {{"NUM_CHECKED", to_string(numParticles)}, {"OF_INPUT", to_string(OF_INPUT)}, {"OF_FORCES", to_string(OF_FORCES)}};
    for (size_t i = 0; i < quantities().size(); i++)
        result[quantities()[i].macro] = to_string(i);
    for (int i = IS_NAN; i <= NUM_FAULTS; i++)
        result[FAULT_MACROS[i]] = to_string(i);
    return result;
}

DeviceChecks::DeviceChecks(ComputeContext& cc, const vector<int>& particles, ComputeProgram& program, shared_ptr<void> memory)
        : cc(cc), particles(particles) {
    notes.initialize<unsigned int>(cc, NUM_NOTES, "polarmpNotes");
    momentsKernel = program->createKernel("checkMoments");
    for (int i = 0; i < 1 + NUM_MOMENTS; i++)
        momentsKernel->addArg();
    momentsKernel->addArg(notes);
    momentsKernel->addArg();
    download = make_unique<AsyncDownload>(cc, notes, memory);
    clear();
}

void DeviceChecks::checkMoments(SourceArrays& arrays) {
    momentsKernel->setArg(0, arrays.energy);
    for (Moment m : ALL_MOMENTS)
        momentsKernel->setArg(1 + m, arrays.moments[m]);
    momentsKernel->setArg(2 + NUM_MOMENTS, (int) arrays.energy.getSize());
    momentsKernel->execute(particles.size());
}

void DeviceChecks::startDownload() {
    download->start();
}

void DeviceChecks::wait(const SourceArrays& arrays) const {
    const unsigned int* arrived = download->get<unsigned int>();
    // A note about forces is from the previous step, or from the end of this one, whose input was usable then.
    for (Note note : {OF_FORCES, OF_INPUT})
        if (arrived[note] != 0)
            report(arrived[note], arrays);
}

void DeviceChecks::poll(const SourceArrays& arrays) const {
    const volatile unsigned int* arrived = download->peek<unsigned int>();
    for (int note = 0; note < NUM_NOTES; note++)
        if (arrived[note] != 0)
            wait(arrays);
}

void DeviceChecks::clear() {
    download->clear();
    cc.clearBuffer(notes);
}

void DeviceChecks::report(unsigned int note, const SourceArrays& arrays) const {
    const unsigned int code = numeric_limits<unsigned int>::max() - note, fault = code % NUM_FAULTS;
    const unsigned int particle = code / NUM_FAULTS % particles.size();
    const Quantity& quantity = quantities().at(code / NUM_FAULTS / particles.size());
    double value = numeric_limits<double>::quiet_NaN();
    if (fault == IS_POSITIVE_INFINITY || fault == IS_NEGATIVE_INFINITY)
        value = (fault == IS_POSITIVE_INFINITY ? 1 : -1) * numeric_limits<double>::infinity();
    else if (fault == IS_NEGATIVE) {  // only a softness is checked for it
        vector<double> softness;
        arrays.moments[SOFTNESS].download(softness, true);
        value = softness[particle];
    }
    if (quantity.macro == "SOURCE_ENERGY")
        throwUnusableEnergy();
    throwUnusable(quantity.name, particles[particle], value);
}
