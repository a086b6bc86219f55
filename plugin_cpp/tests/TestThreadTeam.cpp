#include "Check.h"
#include "ThreadTeam.h"
#include <chrono>
#include <set>
#include <thread>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

const int SIZES[] = {1, 2, 3, 8};  // also more threads than cores

/** Runs a test with teams of several sizes. */
void forTeams(const function<void(ThreadTeam&)>& test) {
    for (int size : SIZES) {
        ThreadPool pool(size);
        ThreadTeam team(pool);
        CHECK(team.getNumThreads() == size);
        test(team);
    }
}

void sharesCoverAllItems() {
    forTeams([](ThreadTeam& team) {
        for (long count : {0L, 1L, 7L, 1000L}) {
            long next = 0;
            for (int thread = 0; thread < team.getNumThreads(); thread++) {
                auto [first, last] = team.share(count, thread);
                CHECK(first == next && last >= first && last - first <= count / team.getNumThreads() + 1);
                next = last;
            }
            CHECK(next == count);
        }
    });
}

void everyThreadExecutes() {
    forTeams([](ThreadTeam& team) {
        mutex lock;
        set<thread::id> threads;
        vector<int> calls(team.getNumThreads());
        team.execute([&](int thread) {
            lock_guard<mutex> guard(lock);
            threads.insert(this_thread::get_id());
            calls[thread]++;
        });
        CHECK((int) threads.size() == team.getNumThreads());
        CHECK(threads.count(this_thread::get_id()) == 1);
        for (int count : calls)
            CHECK(count == 1);
    });
}

void everyPartIsExecutedOnce() {
    forTeams([](ThreadTeam& team) {
        for (int repetition = 0; repetition < 200; repetition++) {
            vector<atomic<int>> calls(team.getNumThreads());
            team.executeParts([&](int part) { calls[part]++; });
            for (const atomic<int>& count : calls)
                CHECK(count == 1);
        }
    });
}

void loopsVisitEveryItem() {
    forTeams([](ThreadTeam& team) {
        vector<int> visits(1001);
        team.forAll(visits.size(), [&](long first, long last) {
            for (long i = first; i < last; i++)
                visits[i]++;
        });
        for (int count : visits)
            CHECK(count == 1);
    });
}

/** Tasks of both kinds in turn while the team is awake, some of them so long that waiting threads go to sleep. */
void tasksFollowEachOther() {
    forTeams([](ThreadTeam& team) {
        const int n = team.getNumThreads(), rounds = 50;
        atomic<int> executed(0), parts(0);
        team.together([&]() {
            for (int round = 0; round < rounds; round++) {
                team.execute([&](int thread) {
                    if (round % 10 == 0 && thread == 0)
                        this_thread::sleep_for(chrono::milliseconds(1));
                    executed++;
                });
                CHECK(executed == n * (round + 1));
                team.executeParts([&](int part) {
                    if (round % 10 == 5 && part == n - 1)
                        this_thread::sleep_for(chrono::milliseconds(1));
                    parts++;
                });
                CHECK(parts == n * (round + 1));
            }
        });
    });
}

/** Each thread writes, all wait, each reads what another thread has written. */
void waitIsABarrier() {
    forTeams([](ThreadTeam& team) {
        const int n = team.getNumThreads(), rounds = 100;
        vector<int> values(n, -1);
        atomic<int> wrong(0);
        team.execute([&](int thread) {
            for (int round = 0; round < rounds; round++) {
                values[thread] = round;
                team.wait();
                wrong += (values[(thread + 1) % n] != round);
                team.wait();
            }
        });
        CHECK(wrong == 0);
    });
}

void exceptionsLeaveTheTeamUsable() {
    forTeams([](ThreadTeam& team) {
        CHECK_THROWS(team.together([]() { throw runtime_error("not together"); }), "not together");
        atomic<int> calls(0);
        team.execute([&](int) { calls++; });
        CHECK(calls == team.getNumThreads());
    });
}

} // namespace

int main() {
    return runTests({{"shares cover all items", sharesCoverAllItems},
                     {"every thread executes", everyThreadExecutes},
                     {"every part is executed once", everyPartIsExecutedOnce},
                     {"loops visit every item", loopsVisitEveryItem},
                     {"tasks follow each other", tasksFollowEachOther},
                     {"wait() is a barrier", waitIsABarrier},
                     {"exceptions leave the team usable", exceptionsLeaveTheTeamUsable}});
}
