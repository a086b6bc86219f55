#include "ThreadTeam.h"
#include <chrono>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

template <class Condition>
void ThreadTeam::waitFor(Condition condition) {
    // The parts are even, and so are the threads: the others are mostly there in a moment. Where they are not, because
    // something else needs the cores, waiting actively would keep them from getting there.
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
        wakeUp.wait(lock, condition);
    }
    sleepers--;
}

/** To be called after every change that someone may wait for. */
void ThreadTeam::announce() {
    if (sleepers > 0) {
        lock_guard<mutex> lock(sleeping);  // no one is between its look at the condition and its sleep
        wakeUp.notify_all();
    }
}

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
        announce();
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
        announce();
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
        announce();
        work(0);
        waitFor([&]() { return finished == size - 1; });
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
    execute([&](int thread) {
        auto [first, last] = share(count, thread);
        work(first, last);
    });
}
