#include "ThreadTeam.h"
#include <thread>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

template <class Condition>
void waitFor(Condition condition) {
    const int SPINS = 2000;  // some microseconds; from then on, a thread that has no core gets this one
    for (int spin = 0; !condition(); spin++)
        if (spin > SPINS)
            this_thread::yield();
}

} // namespace

void ThreadTeam::together(const function<void()>& work) {
    if (size == 1 || awake) {
        work();
        return;
    }
    const int before = posted;
    pool.execute([this, before](ThreadPool&, int thread) {
        if (thread > 0)
            serve(thread, before);
    });
    awake = true;
    auto sleep = [&]() {
        awake = false;
        task = nullptr;
        posted++;
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

void ThreadTeam::serve(int thread, int seen) {
    while (true) {
        waitFor([&]() { return posted != seen; });
        seen++;
        if (task == nullptr)
            return;
        (*task)(thread);
        finished++;
    }
}

void ThreadTeam::execute(const function<void(int)>& work) {
    if (size == 1)
        work(0);
    else if (!awake)
        together([&]() { execute(work); });
    else {
        task = &work;
        finished = 0;
        posted++;
        work(0);
        waitFor([&]() { return finished == size - 1; });
    }
}

void ThreadTeam::wait() {
    const int present = round;
    if (++arrived == size) {
        arrived = 0;
        round++;
    }
    else
        waitFor([&]() { return round != present; });
}

void ThreadTeam::forAll(long count, const function<void(long, long)>& work) {
    execute([&](int thread) {
        auto [first, last] = share(count, thread);
        work(first, last);
    });
}
