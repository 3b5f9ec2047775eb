#include "FailingCalls.h"
#include "DatabaseFixture.h"
#include "Figure.h"
#include "JobsUnderFault.h"
#include "RandomMoments.h"
#include "RecordingLogger.h"
#include "Rounds.h"
#include "ScriptedSlurm.h"
#include "SettingsFile.h"
#include "SettingsSource.h"
#include "TemporaryDirectory.h"
#include "notification/Metrics.h"
#include "notification/RunLog.h"
#include "slurm/SlurmScheduler.h"

#include <algorithm>
#include <new>

namespace HangDetection::Test {

namespace {

using Kind = FailingCalls::Kind;
using Extent = FailingCalls::Extent;

struct Shortage
{
    std::string fault;
    std::string variant;
    Kind kind;
    Extent extent;
};

std::vector<Shortage> shortages()
{
    return {{"anAllocationFails", "", Kind::allocations, Extent::one},
            {"allocationsFail", "FromOneOn", Kind::allocations, Extent::allAfterIt},
            {"aSystemCallFails", "", Kind::systemCalls, Extent::one},
            {"systemCallsFail", "FromOneOn", Kind::systemCalls, Extent::allAfterIt}};
}

} // namespace

class FailingCallsTest : public DatabaseFixture
/// Each call of the detector's thread into the C library fails once, and all calls from that one on.
{
    TEST_SUITE(FailingCallsTest);

    struct Detector
    /// As a Service has it, but run by the test, without the wait between two looks.
    {
        Detector(const Settings& settings, SlurmScript& slurm)
            : log(notifications, logger.logger()),
              metrics(notifications, logger.logger(), "test"),
              posted(notifications, "test", logger.logger(),
                     [this](const JobTerminated& n) {
                         const FailingCalls::Pause pause;
                         terminated.push_back(n.job.jobId);
                     }),
              detector(settings, notifications, std::make_unique<ScriptedSlurm>(slurm),
                       std::chrono::milliseconds(0))
        {
            metrics.writeTo(settings.metricsFile);
        }

        RecordingLogger logger;
        Poco::NotificationCenter notifications;
        RunLog log;
        Metrics metrics;
        Subscription<JobTerminated> posted;
        std::vector<JobId> terminated;
        HangDetector detector;
    };

    TEST_FOR_EACH(shortages(), survivesThat)(const Shortage& shortage)
    {
        const TemporaryDirectory directory;
        settings().releaseAllocations = true;
        settings().massHangRatio = 0;
        settings().runTimeout = std::chrono::seconds(2);
        settings().metricsFile = directory.path() / "detector.prom";
        JobsUnderFault jobs(connectionString());
        std::set<JobId> reported;
        int reports = 0;

        const auto callsOf = [&](int failing) {
            jobs.topUp(jobsOfARun);
            SlurmScript slurm;
            slurm.marked = {{.name = "7", .mark = {.text = database().value(aHungJob).value()}}};
            Detector work(settings(), slurm);
            int calls = 0;
            bool hasFailed = false;
            {
                const FailingCalls failures(shortage.kind, failing, shortage.extent);
                try {
                    hasFailed = work.detector.run({}).error.has_value();
                } catch (const std::exception&) {
                    // PeriodicTask logs it.
                }
                calls = FailingCalls::counted();
            }
            jobs.expectNoneInBetween();
            // The server goes on with a statement whose client is gone.
            if (hasFailed)
                await([&] { return !testDatabase().hasSessionOf("hang_detector"); });
            const std::string where = "call " + std::to_string(failing) + ": ";
            const RunStatistics next = work.detector.run({});
            CPPUNIT_ASSERT_MESSAGE(where + (next.error ? next.error->cause : ""), !next.error);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, 0, jobs.left());
            reported.insert(work.terminated.begin(), work.terminated.end());
            reports += static_cast<int>(work.terminated.size());
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, jobs.terminated(), reports);
            work.detector.run({});
            CPPUNIT_ASSERT_MESSAGE(where, slurm.marked.empty());
            return calls;
        };
        const int calls = callsOf(0);
        const int attempts = forEachOf(calls, callsOf);
        CPPUNIT_ASSERT(reported == jobs.terminatedCompletely());
        figure() << shortage.fault << shortage.variant << ": " << attempts << " of the " << calls
                 << " calls of a run; " << reports << " jobs, each terminated and reported once\n";
    }

    TEST_FOR_EACH(shortages(), readsSettingsOrSaysWhyNot)(const Shortage& shortage)
    {
        const TemporaryDirectory directory;
        const auto file = directory.write("hang_detector.conf", "Connection=host=/\nInterval=30s\n");
        const auto callsOf = [&](int failing) {
            const FailingCalls failures(shortage.kind, failing, shortage.extent);
            try {
                SettingsSource source(file);
                CPPUNIT_ASSERT(source.read().interval == std::chrono::seconds(30));
            } catch (const SettingsError& error) {
                const FailingCalls::Pause pause;
                CPPUNIT_ASSERT_MESSAGE(error.what(), contains("hang_detector.conf", error.what()));
            } catch (const std::bad_alloc&) {
                // init says so.
            }
            return FailingCalls::counted();
        };
        forEachOf(callsOf(0), callsOf);
    }

    TEST(saysThatNoThreadAsksSlurm)
    /// Each time, as a question that nobody asks is not waited for.
    {
        SlurmScheduler slurm;
        for (int question = 0; question < 2; ++question) {
            std::string error;
            const FailingCalls failures(Kind::systemCalls, 1, Extent::one);
            try {
                slurm.markedJobs({{}, RunLimit::Clock::now() + std::chrono::milliseconds(10)});
            } catch (const SchedulerError& refusal) {
                const FailingCalls::Pause pause;
                error = refusal.what();
            }
            CPPUNIT_ASSERT_MESSAGE(error, error.starts_with("no thread can be started to ask"));
        }
    }

    template <typename Attempt>
    int forEachOf(int calls, Attempt attempt)
    /// Some of the calls, spread over all of them. Returns how many.
    {
        CPPUNIT_ASSERT(calls > 0);
        const int step = std::max(1, calls / attacks(30));
        const int first = 1 + static_cast<int>(RandomMoments::givenSeed() % static_cast<unsigned>(step));
        int attempts = 0;
        for (int failing = first; failing <= calls; failing += step, ++attempts)
            attempt(failing);
        return attempts;
    }

    static constexpr int jobsOfARun = 4;
    static constexpr const char* aHungJob =
        "SELECT id::text FROM provisioner_jobs WHERE completed_at IS NULL LIMIT 1";
};

} // namespace HangDetection::Test
