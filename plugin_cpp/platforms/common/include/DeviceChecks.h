#pragma once
#include "AsyncDownload.h"
#include "SourceLink.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/**
 * Finds numbers that cannot be used (not finite; a negative softness) where they lie, on the device. Kernels leave a note
 * of the first such number: of the first quantity in the order of a step, the first particle in the force's order. The host
 * reads the notes without stopping the device, and throws the error that HostLink throws for numbers that pass through
 * host memory.
 *
 * There are two notes (kernels/checks.cc): one about what a step starts from, positions and what the source gives, and one
 * about forces, which are computed last; a force that cannot be used is left out. In a run the host only glances at the notes
 * that have arrived, so that an error comes a step or a few late; whoever asks for a State gets the error at once.
 */
class DeviceChecks {
public:
    /**
     * @param program  has kernels/checks.cc in it
     * @param memory   for an AsyncDownload of NUM_NOTES integers
     */
    DeviceChecks(OpenMM::ComputeContext& cc, const std::vector<int>& particles, OpenMM::ComputeProgram& program, std::shared_ptr<void> memory);
    static constexpr int NUM_NOTES = 2;
    /** Macros for kernels that leave notes. */
    static std::map<std::string, std::string> defines();
    /** The argument of such kernels. */
    OpenMM::ComputeArray& getNotes() {
        return notes;
    }
    /** Queues the check of what a source has written to the device. */
    void checkMoments(SourceArrays& arrays);
    /** Queues the copy of what the kernels that are queued by now will have noted. */
    void send();
    /** Waits for what was sent. Throws an exception if there is a note. */
    void look(const SourceArrays& arrays) const;
    /** Does not wait: throws an exception if a note has arrived by now, from this step or an earlier one. */
    void glance(const SourceArrays& arrays) const;
    void clear();

private:
    [[noreturn]] void report(unsigned int note, const SourceArrays& arrays) const;

    OpenMM::ComputeContext& cc;
    const std::vector<int> particles;
    OpenMM::ComputeArray notes;
    OpenMM::ComputeKernel momentsKernel;
    std::unique_ptr<AsyncDownload> download;
};

} // namespace PolarMPPlugin
