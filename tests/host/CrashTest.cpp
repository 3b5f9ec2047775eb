#include "ChildProcess.h"
#include "Count.h"
#include "Eventually.h"
#include "Figure.h"
#include "JobsUnderFault.h"
#include "RandomMoments.h"
#include "Rounds.h"
#include "SimulatorFixture.h"
#include "detection/EarlierLooks.h"

#include <Poco/Environment.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <thread>

namespace HangDetection::Test {

class CrashTest : public SimulatorFixture
/// The process with the plugin dies while jobs are terminated.
{
    CPPUNIT_TEST_SUITE(CrashTest);
    CPPUNIT_TEST(survivesItsProcessBeingKilled);
#ifndef __SANITIZE_THREAD__ // which puts signals off until a thread is at a place that it likes
    CPPUNIT_TEST(survivesItsProcessExitingAtOnce);
#endif
    CPPUNIT_TEST_SUITE_END();

    using Moment = RandomMoments::Moment;
    using Process = std::unique_ptr<ChildProcess>;

    static constexpr std::chrono::seconds patience{20};
    /// Nothing is written before it, so no process ends earlier.
    static constexpr Moment secondLook = EarlierLooks::defaultApart;
    static constexpr int jobCount = 12;
    static constexpr const char* logName = "simulator.log";

    void survivesItsProcessBeingKilled()
    {
        survive("the process was killed", [this](Moment moment) {
            auto process = std::make_unique<ChildProcess>(simulator({}), directory().path() / logName);
            std::this_thread::sleep_for(moment);
            kill(process->id(), SIGKILL);
            expectStatus(128 + SIGKILL, *process);
        });
    }

    void survivesItsProcessExitingAtOnce()
    {
        survive("the process exited at once", [this](Moment moment) {
            // At least one, as a timer without any never ends.
            // The runtime of asan wants to come first, but does without.
            Sim::CommandLine command{"env", "LD_PRELOAD=" EXIT_AT_ONCE,
                                     "ASAN_OPTIONS=" + Poco::Environment::get("ASAN_OPTIONS", "") +
                                         ":verify_asan_link_order=0",
                                     "HANG_DETECTOR_EXIT_AFTER_US=" + std::to_string(moment.count() + 1)};
            const Sim::CommandLine program = simulator({});
            command.insert(command.end(), program.begin(), program.end());
            ChildProcess process(command, directory().path() / logName);
            expectStatus(77, process);
        });
    }

    void survive(const std::string& fault, const std::function<void(Moment)>& runUntil)
    {
        constexpr int faults = rounds(40);
        useSettings("MaxJobsPerRun=" + std::to_string(jobCount + 1) + "\nMassHangRatio=0\n");
        JobsUnderFault jobs(connectionString());
        jobs.drawOutTerminations();
        RandomMoments moments([&] { return durationOfARun(jobs); }, faults, faults / 8);

        int unknownOutcomes = 0;
        while (moments.areLeft()) {
            const Moment moment = moments.next();
            jobs.topUp(jobCount);
            const int before = jobs.terminated();
            directory().write(logName, "");
            runUntil(secondLook + moment);
            const int atDeath = jobs.terminated() - before;
            jobs.expectNoneInBetween();
            awaitEndOfSession();
            jobs.expectNoneInBetween();

            const int told = static_cast<int>(
                count(directory().read(logName), " job_submit/hang_detector: job terminated job_id="));
            const int done = jobs.terminated() - before;
            CPPUNIT_ASSERT(told <= done);
            unknownOutcomes += told < done ? 1 : 0;
            moments.note(told < done || atDeath < done || (done > 0 && done < jobCount));
        }
        jobs.endDrawingOut();
        assertStatus(0, simulate({"--runs=1"}));
        jobs.expectNothingLeft();
        figure() << "survived " << moments.taken() << " faults: " << fault << " at a random moment (seed "
                 << moments.seed() << "), " << moments.hits() << " times during terminations; "
                 << unknownOutcomes << " times some were committed without its knowing\n";
        CPPUNIT_ASSERT(moments.haveHit());
    }

    Moment durationOfARun(JobsUnderFault& jobs)
    /// Without the wait for the second look, with all that it logs.
    {
        const auto run = [&] {
            assertStatus(0, simulate({"--runs=1"}));
            CPPUNIT_ASSERT_EQUAL(1, jobs.left());
        };
        return RandomMoments::durationOf([&] { jobs.topUp(jobCount); }, run) - secondLook;
    }

    void expectStatus(int expected, ChildProcess& process)
    {
        const auto status = process.waitUntilEnded(patience);
        CPPUNIT_ASSERT_MESSAGE("the process did not end:\n" + directory().read(logName), status);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(directory().read(logName), expected, *status);
    }

    void awaitEndOfSession()
    /// The server goes on with a statement whose client is gone.
    {
        CPPUNIT_ASSERT(
            eventually(patience, [this] { return !testDatabase().hasSessionOf("hang_detector"); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CrashTest);

} // namespace HangDetection::Test
