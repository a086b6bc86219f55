#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm/common/ComputeEvent.h"
#include <cstring>
#include <memory>

namespace PolarMPPlugin {

/** The copy of a small array in host memory. The device never stops for it; the host waits only when it looks. */
class AsyncDownload {
public:
    /** @param memory  of the array's size; on CUDA page-locked, since a copy to other memory makes the host wait at once */
    AsyncDownload(OpenMM::ComputeContext& cc, OpenMM::ComputeArray& array, std::shared_ptr<void> memory)
            : array(array), memory(memory), event(cc.createEvent()) {
        event->enqueue();
        clear();
    }
    /** Queues a copy of what the array holds after everything that has been queued before. */
    void start() {
        array.download(memory.get(), false);
        event->enqueue();
    }
    /** What has arrived by now, perhaps from an earlier copy. Nothing waits; each number is either old or new. */
    template <class T>
    const volatile T* glance() const {
        return static_cast<const volatile T*>(memory.get());
    }
    /** Forgets what earlier copies have brought. */
    void clear() {
        event->wait();
        memset(memory.get(), 0, array.getSize() * array.getElementSize());
    }
    /** Waits for the copy that was started last, not for what was queued after it. */
    template <class T>
    const T* get() const {
        event->wait();
        return static_cast<const T*>(memory.get());
    }

private:
    OpenMM::ComputeArray& array;
    const std::shared_ptr<void> memory;
    const OpenMM::ComputeEvent event;
};

} // namespace PolarMPPlugin
