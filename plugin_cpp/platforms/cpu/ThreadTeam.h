#pragma once
#include "openmm/internal/ThreadPool.h"
#include "openmm_polarmp/MultipoleSource.h"
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace PolarMPPlugin {

/**
 * OpenMM's threads at work on something that has many short parts. Waking a thread can cost as much as a part, so they are
 * woken once for all parts and wait actively in between, for a moment. The calling thread is one of them.
 */
class ThreadTeam : public WorkerThreads {
public:
    explicit ThreadTeam(OpenMM::ThreadPool& pool) : pool(pool), size(pool.getNumThreads()) {
    }
    /** Calls work(), during which the team is awake. */
    void together(const std::function<void()>& work);
    int getNumThreads() const override {
        return size;
    }
    /** Calls work(thread) in every thread at the same time and returns when all are done. The work must not throw. */
    void execute(const std::function<void(int thread)>& work);
    /**
     * Calls work(part) for as many parts as there are threads, each in the thread that is there first: where something else
     * needs the cores, nobody waits for a thread that has not begun. The work must not throw, nor wait().
     */
    void executeParts(const std::function<void(int part)>& work) override;
    /** Within the work of execute(): wait until all threads have come here. */
    void wait();
    /** The part of `count` items, [first, last), that falls to a thread. */
    std::pair<long, long> share(long count, int thread) const {
        return {count * thread / size, count * (thread + 1) / size};
    }
    /** Loops over items that need nothing of each other. */
    void forAll(long count, const std::function<void(long first, long last)>& work);

private:
    void serve(int thread, long seen);
    void post(const std::function<void(int)>* work, bool inParts);
    void takeParts(long seen);
    template <class Condition>
    void waitFor(Condition condition);
    void announce();

    static constexpr int PART_BITS = 16;
    OpenMM::ThreadPool& pool;
    const int size;
    bool awake = false;
    const std::function<void(int)>* task = nullptr;  // none: go to sleep
    std::atomic<long> posted{0};                     // twice the number of tasks so far, and one if the present one has parts
    std::atomic<long> nextPart{0};                   // what was posted, followed by PART_BITS for the next part of it
    std::atomic<int> finished{0};                    // threads, or parts, that are done with the present task
    std::atomic<int> arrived{0}, round{0};           // of wait()
    std::atomic<int> sleepers{0};
    std::mutex sleeping;
    std::condition_variable wakeUp;
};

} // namespace PolarMPPlugin
