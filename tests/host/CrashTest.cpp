#include "Figure.h"
#include "JobsUnderFault.h"
#include "RandomMoments.h"
#include "Rounds.h"
#include "SimulatorFixture.h"
#include "detection/EarlierLooks.h"

#include <csignal>

namespace HangDetection::Test {

class CrashTest : public SimulatorFixture
/// The process with the plugin dies while jobs are terminated.
{
    TEST_SUITE(CrashTest);

    using Moment = RandomMoments::Moment;

    /// Nothing is written before it, so no process ends earlier.
    static constexpr Moment secondLook = EarlierLooks::defaultApart;
    static constexpr int jobCount = 12;

    TEST(survivesItsProcessBeingKilled)
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
            startHost(simulator({}));
            std::this_thread::sleep_for(secondLook + moment);
            kill(host().id(), SIGKILL);
            expectEndOfHost(128 + SIGKILL);
            const int atDeath = jobs.terminated() - before;
            jobs.expectNoneInBetween();
            // The server goes on with a statement whose client is gone.
            await([this] { return !testDatabase().hasSessionOf("hang_detector"); });
            jobs.expectNoneInBetween();

            const int told =
                static_cast<int>(count(log(), " job_submit/hang_detector: job terminated job_id="));
            const int done = jobs.terminated() - before;
            CPPUNIT_ASSERT(told <= done);
            unknownOutcomes += told < done ? 1 : 0;
            moments.note(told < done || atDeath < done || (done > 0 && done < jobCount));
        }
        jobs.endDrawingOut();
        assertStatus(0, simulate({"--runs=1"}));
        jobs.expectNothingLeft();
        figure() << "survived " << moments.taken()
                 << " faults: the process was killed at a random moment (seed " << moments.seed() << "), "
                 << moments.hits() << " times during terminations; " << unknownOutcomes
                 << " times some were committed without its knowing\n";
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
};

} // namespace HangDetection::Test
