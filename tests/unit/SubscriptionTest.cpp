#include "notification/Subscription.h"

#include "Printing.h"
#include "RecordingLogger.h"
#include "Suite.h"
#include "notification/Notifications.h"

#include <stdexcept>

namespace HangDetection::Test {

class SubscriptionTest : public CppUnit::TestFixture
{
    TEST_SUITE(SubscriptionTest);

    TEST(hearsItsOwnKindWhileItLives)
    {
        std::vector<std::string> heard;
        Termination job;
        {
            const Subscription<JobFailed> failed(_center, "failed", _log.logger(),
                                                 [&](const JobFailed& n) { heard.push_back(n.job.jobId); });
            job.jobId = "skipped";
            _center.postNotification(new JobSkipped(job));
            job.jobId = "failed";
            _center.postNotification(new JobFailed(job, false));
        }
        _center.postNotification(new JobFailed(job, false));
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>{"failed"}, heard);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, _center.countObservers());
    }

    TEST(isIsolatedFromTheExceptionsOfOthers)
    {
        int heard = 0;
        const auto count = [&](const RunFinished&) { ++heard; };
        const Subscription<RunFinished> before(_center, "before", _log.logger(), count);
        const Subscription<RunFinished> standard(_center, "standard", _log.logger(), [](const RunFinished&) {
            throw std::runtime_error("broken");
        });
        const Subscription<RunFinished> poco(_center, "poco", _log.logger(),
                                             [](const RunFinished&) { throw Poco::NotFoundException("it"); });
        const Subscription<RunFinished> other(_center, "other", _log.logger(), [](const RunFinished&) {
            throw 1; // NOLINT(hicpp-exception-baseclass): anything may be thrown
        });
        const Subscription<RunFinished> after(_center, "after", _log.logger(), count);

        _center.postNotification(new RunFinished(RunStatistics{}));

        CPPUNIT_ASSERT_EQUAL(2, heard);
        const std::vector<std::string> log{"error: observer standard failed: broken",
                                           "error: observer poco failed: Not found",
                                           "error: observer other failed: unknown exception"};
        CPPUNIT_ASSERT_EQUAL(log, _log.lines());
    }

    RecordingLogger _log;
    Poco::NotificationCenter _center;
};

} // namespace HangDetection::Test
