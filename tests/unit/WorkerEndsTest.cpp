#include "scheduler/WorkerEnds.h"

#include "PostedNotifications.h"
#include "Printing.h"
#include "Rows.h"
#include "Suite.h"

namespace HangDetection::Test {

using namespace std::chrono_literals;

class WorkerEndsTest : public CppUnit::TestFixture
{
    TEST_SUITE(WorkerEndsTest);

    using Clock = WorkerEnds::Clock;
    using Lines = std::vector<std::string>;

    static constexpr auto duration = 30s;
    static constexpr const char* job = "11111111-2222-4333-8444-555555555555";

    static SchedulerJob running(const std::string& name, std::chrono::seconds startedAgo)
    {
        SchedulerJob running;
        running.name = name;
        running.mark = {.text = job};
        running.startedAgo = startedAgo;
        return running;
    }

    static SchedulerJob ended(const std::string& name, std::chrono::seconds endedAgo,
                              std::chrono::seconds startedAgo = 1h)
    {
        SchedulerJob ended = running(name, startedAgo);
        ended.endedAgo = endedAgo;
        ended.state = "NODE_FAIL";
        return ended;
    }

    static SchedulerJob requeued(SchedulerJob requeued)
    {
        requeued.isSuspended = true;
        return requeued;
    }

    static SchedulerJob completing(SchedulerJob completing)
    {
        completing.isCompleting = true;
        return completing;
    }

    static SchedulerJob waiting(const std::string& name)
    {
        SchedulerJob waiting = running(name, 0s);
        waiting.startedAgo.reset();
        waiting.isWaiting = true;
        return waiting;
    }

    static MarkedJob marked(std::chrono::seconds silent, const std::string& updatedAt = "then")
    {
        return {.job = {job, updatedAt}, .mark = {.text = job}, .startedAgo = 10min, .silent = silent};
    }

    void learn(const std::vector<SchedulerJob>& listed, Clock::duration after)
    {
        _ends.learn(listed, 5min, _start + after);
    }

    std::string judge(const MarkedJob& marked, Clock::duration after, std::chrono::seconds lag = 0s)
    /// The Slurm job that proves the death, or when to look again.
    {
        const auto verdict = _ends.judge(std::vector{marked}, duration, lag, _start + after);
        if (!verdict.dead.empty())
            return verdict.dead.front().workerEnd->schedulerJob;
        return verdict.next
                   ? "in " + std::to_string(std::chrono::ceil<std::chrono::seconds>(*verdict.next).count()) +
                         " s"
                   : "never";
    }

    TEST(isDeadAfterSilenceSinceTheEnd)
    {
        learn({ended("7", 2s)}, 0s);
        CPPUNIT_ASSERT_EQUAL(std::string("in 3 s"), judge(marked(3s), 0s));
        CPPUNIT_ASSERT_EQUAL(std::string("in 30 s"), judge(marked(6s), 3s));
        CPPUNIT_ASSERT_EQUAL(std::string("in 1 s"), judge(marked(35s), 32s));
        CPPUNIT_ASSERT_EQUAL(std::string("7"), judge(marked(36s), 33s));
    }

    TEST(needsSilenceByEachClock)
    {
        learn({ended("7", 1min)}, 0s);
        // Whatever the times say, it has to be seen.
        CPPUNIT_ASSERT_EQUAL(std::string("in 30 s"), judge(marked(2min), 0s));
        CPPUNIT_ASSERT_EQUAL(std::string("in 10 s"), judge(marked(20s), 30s));
        CPPUNIT_ASSERT_EQUAL(std::string("in 15 s"), judge(marked(30s), 40s, 15s));
        CPPUNIT_ASSERT_EQUAL(std::string("7"), judge(marked(45s), 55s, 15s));
    }

    TEST(takesWhatReportsForAliveAndSaysSoOnce)
    {
        learn({ended("7", 10s)}, 0s);
        judge(marked(12s), 0s);
        CPPUNIT_ASSERT_EQUAL(std::string("never"), judge(marked(1s, "now"), 12s));
        CPPUNIT_ASSERT_EQUAL(std::string("never"), judge(marked(2min, "now"), 150s));
        CPPUNIT_ASSERT_EQUAL(Lines{std::string(job) + " although 7 is NODE_FAIL"}, _posted.outlived);
    }

    TEST(asksEachSlurmJobThatRanIt)
    {
        struct Row
        {
            const char* name;
            std::vector<SchedulerJob> listed;
            const char* expected;
            std::chrono::seconds jobStartedAgo = 10min;
        };
        const std::vector<Row> rows{
            {"the last end", {ended("7", 100s), ended("8", 90s), ended("9", 95s)}, "8"},
            {"one runs", {ended("7", 90s), running("8", 1h)}, "never"},
            {"one is requeued", {ended("7", 90s), requeued(waiting("8"))}, "never"},
            {"one may still have processes", {ended("7", 90s), completing(ended("8", 90s))}, "never"},
            {"one has not run yet", {ended("7", 90s), waiting("8")}, "7"},
            {"one began after the last report", {ended("7", 90s), running("8", 60s)}, "7"},
            {"one began at the last report", {ended("7", 90s), running("8", 99s)}, "never"},
            // The clock that stamps the heartbeats may be behind.
            {"one began when the last report seems to be older",
             {ended("7", 90s), running("8", 71s)},
             "never"},
            {"the end came before the job", {ended("7", 200s)}, "never", 120s},
            {"it began after the last report", {ended("7", 60s, 80s)}, "never"},
        };
        forEachRow<Row>(rows, [this](const Row& row) {
            learn(row.listed, 0s);
            const auto judgeAfter = [&](std::chrono::seconds after) {
                MarkedJob silent = marked(100s + after);
                silent.startedAgo = row.jobStartedAgo + after;
                return judge(silent, after);
            };
            judgeAfter(0s);
            CPPUNIT_ASSERT_EQUAL(std::string(row.expected), judgeAfter(30s));
            learn({}, 1h);
            _ends.judge({}, duration, 0s, _start + 1h);
        });
    }

    TEST(remembersAnEndThatSlurmForgets)
    {
        learn({ended("7", 20s), running("8", 1h)}, 0s);
        judge(marked(25s), 0s);
        learn({ended("8", 1s)}, 1s);
        judge(marked(30s), 5s);
        learn({}, 10s);
        CPPUNIT_ASSERT_EQUAL(std::string("8"), judge(marked(65s), 40s));
        // For so long as silence alone does not count.
        learn({}, 5min);
        CPPUNIT_ASSERT(_ends.jobs().empty());
    }

    TEST(takesNoVanishedJobForEnded)
    {
        learn({ended("7", 20s), running("8", 1h)}, 0s);
        learn({}, 1s);
        judge(marked(25s), 5s);
        CPPUNIT_ASSERT_EQUAL(std::string("never"), judge(marked(80s), 1min));
    }

    TEST(startsAnewWhenAnotherSlurmJobRanIt)
    {
        learn({ended("7", 10s)}, 0s);
        judge(marked(12s), 0s);
        learn({ended("7", 35s), ended("8", 6s)}, 25s);
        CPPUNIT_ASSERT_EQUAL(std::string("in 30 s"), judge(marked(8s, "later"), 25s));
        CPPUNIT_ASSERT_EQUAL(std::string("8"), judge(marked(38s, "later"), 55s));
        CPPUNIT_ASSERT(_posted.outlived.empty());
    }

    const Clock::time_point _start = Clock::now();
    Poco::NotificationCenter _center;
    PostedNotifications _posted{_center};
    WorkerEnds _ends{_center};
};

} // namespace HangDetection::Test
