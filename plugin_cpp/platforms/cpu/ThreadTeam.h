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
 * OpenMM's threads for work that consists of many short tasks. Waking a thread can take as long as a task, so the threads are
 * woken once for all tasks and spin for a short time in between. The calling thread is one of them.
 */
class ThreadTeam : public WorkerThreads {
public:
    explicit ThreadTeam(OpenMM::ThreadPool& pool) : pool(pool), size(pool.getNumThreads()) {
    }
    /** Calls work() in the calling thread, with the other threads awake. */
    void together(const std::function<void()>& work);
    int getNumThreads() const override {
        return size;
    }
    /** Calls work(thread) in every thread at the same time and returns when all are done. The work must not throw. */
    void execute(const std::function<void(int thread)>& work);
    /**
     * Calls work(part) for as many parts as there are threads, each in the next free thread: where other processes occupy the
     * cores, no thread waits for one that has not started. The work must not throw, nor call wait().
     */
    void executeParts(const std::function<void(int part)>& work) override;
    /** A barrier within the work of execute(): waits until all threads have called it. */
    void wait();
    /** The range [first, last) of `count` items that belongs to a thread. */
    std::pair<long, long> share(long count, int thread) const {
        return {count * thread / size, count * (thread + 1) / size};
    }
    /** Loops over independent items. */
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
    const std::function<void(int)>* task = nullptr;  // null: sleep
    std::atomic<long> posted{0};                     // twice the number of tasks so far, plus one if the present one has parts
    std::atomic<long> nextPart{0};                   // `posted`, followed by PART_BITS for the task's next part
    std::atomic<int> finished{0};                    // threads or parts that have finished the present task
    std::atomic<int> arrived{0}, round{0};           // of wait()
    std::atomic<int> sleepers{0};
    std::mutex sleeping;
    std::condition_variable wakeUp;
};

} // namespace PolarMPPlugin
