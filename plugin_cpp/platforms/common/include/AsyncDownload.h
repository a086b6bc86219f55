#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm/common/ComputeEvent.h"
#include <cstring>
#include <memory>

namespace PolarMPPlugin {

/** A small array's copy in host memory. The device never stops for it; the host waits only when it needs the values. */
class AsyncDownload {
public:
    /** @param memory  of the array's size; page-locked on CUDA, where the host would wait for a copy to other memory */
    AsyncDownload(OpenMM::ComputeContext& cc, OpenMM::ComputeArray& array, std::shared_ptr<void> memory)
            : array(array), memory(memory), event(cc.createEvent()) {
        event->enqueue();
        clear();
    }
    /** Queues a copy of the array, after everything that has been queued before. */
    void start() {
        array.download(memory.get(), false);
        event->enqueue();
    }
    /** The values that have arrived so far, perhaps from an earlier copy. Does not wait; each number is either old or new. */
    template <class T>
    const volatile T* peek() const {
        return static_cast<const volatile T*>(memory.get());
    }
    /** Sets the copy to zero, after all copies that have been started. */
    void clear() {
        event->wait();
        memset(memory.get(), 0, array.getSize() * array.getElementSize());
    }
    /** Waits for the copy that was started last, not for work that was queued after it. */
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
