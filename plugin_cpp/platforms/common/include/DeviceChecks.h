#pragma once
#include "AsyncDownload.h"
#include "SourceLink.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/**
 * Finds unusable numbers (not finite, or a negative softness) on the device. Kernels write a note about the first of them: in
 * the first quantity in the order of a step, of the first particle in the force's order. The host reads the notes without
 * stopping the device, and throws the same error as HostLink does for numbers that pass through host memory.
 *
 * There are two notes (kernels/checks.cc): one about the input of a step, that is positions and the source's results, and one
 * about forces, which are computed last; an unusable force is left out. In a run the host only looks at the notes that have
 * already arrived, so that an error is reported one or a few steps late; a request for a State reports it at once.
 */
class DeviceChecks {
public:
    /**
     * @param particles  the force's, followed by those with embedding charges
     * @param program  has kernels/checks.cc in it
     * @param memory   for an AsyncDownload of NUM_NOTES integers
     */
    DeviceChecks(OpenMM::ComputeContext& cc, const std::vector<int>& particles, OpenMM::ComputeProgram& program, std::shared_ptr<void> memory);
    static constexpr int NUM_NOTES = 2;
    /** Macros for kernels that write notes. */
    static std::map<std::string, std::string> defines(int numParticles);
    /** An argument of such kernels. */
    OpenMM::ComputeArray& getNotes() {
        return notes;
    }
    /** Queues the check of a source's energy and moments on the device. */
    void checkMoments(SourceArrays& arrays);
    /** Queues a copy of the notes to the host, after all kernels that are queued by now. */
    void startDownload();
    /** Waits for the copy that was started last. Throws an exception if it contains a note. */
    void wait(const SourceArrays& arrays) const;
    /** Throws an exception if a note has already arrived, from this step or an earlier one. Does not wait. */
    void poll(const SourceArrays& arrays) const;
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
