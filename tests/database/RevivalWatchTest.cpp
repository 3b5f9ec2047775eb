#include "detection/RevivalWatch.h"
#include "DatabaseFixture.h"
#include "data/JobStore.h"

#include <optional>
#include <thread>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class RevivalWatchTest : public DatabaseFixture
/// Terminated jobs that were alive after all.
{
    CPPUNIT_TEST_SUITE(RevivalWatchTest);
    CPPUNIT_TEST(tellsOfAJobThatReports);
    CPPUNIT_TEST(tellsOfAJobThatSucceeds);
    CPPUNIT_TEST(tellsOfAJobThatFailsByItself);
    CPPUNIT_TEST(tellsEachOnce);
    CPPUNIT_TEST(tellsNothingOfJobsThatStayAsTheyAre);
    CPPUNIT_TEST(looksNoMoreOftenThanEachPause);
    CPPUNIT_TEST(asksNothingWithoutATerminatedJob);
    CPPUNIT_TEST(forgetsAJobAfterAnHour);
    CPPUNIT_TEST(watchesSomeOfVeryMany);
    CPPUNIT_TEST(failsNoRun);
    CPPUNIT_TEST(looksBetweenRuns);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _store.emplace(ConnectionString::parse(connectionString(detectorRole)), patience);
    }

    void tearDown() override
    {
        _store.reset();
        DatabaseFixture::tearDown();
    }

private:
    using Clock = RevivalWatch::Clock;
    using Lines = std::vector<std::string>;

    std::string terminatedJob()
    {
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        _watch.add(job, _start);
        return job;
    }

    void look(Clock::duration after)
    {
        const auto open = _store->open({}, Clock::now() + patience);
        _watch.look(*_store, 60s, _start + after);
    }

    void succeed(const std::string& job)
    {
        database().execute(
            "UPDATE provisioner_jobs SET updated_at = now(), completed_at = now(), error = NULL"
            " WHERE id = '" +
            job + "'");
    }

    void tellsOfAJobThatReports()
    {
        const std::string job = terminatedJob();
        database().heartbeat(job);
        look(60s);
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, revived());
    }

    void tellsOfAJobThatSucceeds()
    {
        const std::string job = terminatedJob();
        succeed(job);
        look(60s);
        CPPUNIT_ASSERT_EQUAL(Lines{job + " succeeded"}, revived());
    }

    void tellsOfAJobThatFailsByItself()
    {
        const std::string job = terminatedJob();
        database().execute("UPDATE provisioner_jobs SET updated_at = now(), completed_at = now(),"
                           " error = 'terraform apply: exit status 1'");
        look(60s);
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, revived());
    }

    void tellsEachOnce()
    {
        const std::string job = terminatedJob();
        database().heartbeat(job);
        look(60s);
        look(120s);
        succeed(job);
        look(180s);
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, revived());
    }

    void tellsNothingOfJobsThatStayAsTheyAre()
    {
        terminatedJob();
        const std::string other = addHungJob();
        look(60s);
        database().heartbeat(other);
        look(120s);
        CPPUNIT_ASSERT_EQUAL(Lines{}, revived());
    }

    void looksNoMoreOftenThanEachPause()
    {
        const std::string job = terminatedJob();
        database().heartbeat(job);
        look(59s);
        CPPUNIT_ASSERT_EQUAL(Lines{}, revived());
        look(60s);
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, revived());
    }

    void asksNothingWithoutATerminatedJob()
    {
        // Any statement would throw without a connection.
        _watch.look(*_store, 60s, Clock::now());
    }

    void forgetsAJobAfterAnHour()
    {
        const std::string job = terminatedJob();
        look(1h);
        database().heartbeat(job);
        look(2h);
        CPPUNIT_ASSERT_EQUAL(Lines{}, revived());
    }

    void watchesSomeOfVeryMany()
    {
        settings().massHangRatio = 0;
        settings().maxJobsPerRun = 600;
        addHungJobs(600);
        for (const std::string& job : run().terminated)
            _watch.add(job, _start);
        database().execute("UPDATE provisioner_jobs SET updated_at = now()");
        look(60s);
        CPPUNIT_ASSERT_EQUAL(RevivalWatch::most, revived().size());
    }

    void failsNoRun()
    {
        terminatedJob();
        database().execute("REVOKE SELECT (error) ON provisioner_jobs FROM hang_detector");
        look(60s);
        CPPUNIT_ASSERT_EQUAL(Lines{}, revived());
    }

    void looksBetweenRuns()
    /// The detector itself.
    {
        settings().interval = 1s;
        const std::string job = addHungJob();
        CPPUNIT_ASSERT_EQUAL(Lines{job}, run().terminated);
        run();
        database().heartbeat(job);
        std::this_thread::sleep_for(1s);
        run();
        CPPUNIT_ASSERT_EQUAL(Lines{job + " reported"}, posted().revived);
    }

    const Lines& revived() const { return _posted.revived; }

    const Clock::time_point _start = Clock::now();
    Poco::NotificationCenter _center;
    PostedNotifications _posted{_center};
    RevivalWatch _watch{_center};
    std::optional<JobStore> _store;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RevivalWatchTest);

} // namespace HangDetection::Test
