#include "ThreadTeam.h"
#include <chrono>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

template <class Condition>
void ThreadTeam::waitFor(Condition condition) {
    // Tasks are divided evenly, so the others usually arrive within a short time. If they do not, because other processes
    // occupy the cores, spinning would delay them further: sleep then.
    const auto patience = chrono::microseconds(100);
    const auto begin = chrono::steady_clock::now();
    do {
        for (int spin = 0; spin < 200; spin++)
            if (condition())
                return;
    } while (chrono::steady_clock::now() - begin < patience);
    sleepers++;
    {
        unique_lock<mutex> lock(sleeping);
        // Without a limit. The plain wait() of GCC 12 and later is a symbol that the libstdc++ of older systems lacks, on which
        // wheels should run.
        wakeUp.wait_until(lock, chrono::steady_clock::time_point::max(), condition);
    }
    sleepers--;
}

/** Must be called after every change that a thread may wait for. */
void ThreadTeam::announce() {
    if (sleepers > 0) {
        lock_guard<mutex> lock(sleeping);  // no thread is between testing its condition and sleeping
        wakeUp.notify_all();
    }
}

void ThreadTeam::together(const function<void()>& work) {
    if (size == 1 || awake) {
        work();
        return;
    }
    const long before = posted;
    pool.execute([this, before](ThreadPool&, int thread) {
        if (thread > 0)
            serve(thread, before);
    });
    awake = true;
    auto sleep = [&]() {
        awake = false;
        post(nullptr, false);
        pool.waitForThreads();
    };
    try {
        work();
    }
    catch (...) {
        sleep();
        throw;
    }
    sleep();
}

void ThreadTeam::post(const function<void(int)>* work, bool inParts) {
    task = work;
    finished = 0;
    const long next = (posted / 2 + 1) * 2 + inParts;
    nextPart = next << PART_BITS;
    posted = next;
    announce();
}

void ThreadTeam::serve(int thread, long seen) {
    while (true) {
        waitFor([&]() { return posted != seen; });
        // Several tasks with parts may have been finished without this thread; one without parts waits for it.
        seen = posted;
        if (seen % 2 == 1)
            takeParts(seen);
        else if (task == nullptr)
            return;
        else {
            (*task)(thread);
            finished++;
            announce();
        }
    }
}

/** Executes parts of a task that no thread has begun, as long as the task is the present one. */
void ThreadTeam::takeParts(long seen) {
    while (true) {
        long next = nextPart;
        const int part = next & ((1 << PART_BITS) - 1);
        if (next >> PART_BITS != seen || part >= size)
            return;
        // A thread that has taken a part can rely on `task`, which stays until all parts have finished.
        if (nextPart.compare_exchange_weak(next, next + 1)) {
            (*task)(part);
            finished++;
            announce();
        }
    }
}

void ThreadTeam::execute(const function<void(int)>& work) {
    if (size == 1)
        work(0);
    else if (!awake)
        together([&]() { execute(work); });
    else {
        post(&work, false);
        work(0);
        waitFor([&]() { return finished == size - 1; });
    }
}

void ThreadTeam::executeParts(const function<void(int)>& work) {
    if (size == 1)
        work(0);
    else if (!awake)
        together([&]() { executeParts(work); });
    else {
        post(&work, true);
        takeParts(posted);
        waitFor([&]() { return finished == size; });
    }
}

void ThreadTeam::wait() {
    const int present = round;
    if (++arrived == size) {
        arrived = 0;
        round++;
        announce();
    }
    else
        waitFor([&]() { return round != present; });
}

void ThreadTeam::forAll(long count, const function<void(long, long)>& work) {
    executeParts([&](int part) {
        auto [first, last] = share(count, part);
        work(first, last);
    });
}
