#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "TerminationFaults.h"

namespace HangDetection::Test {

class NotificationTest : public DatabaseFixture
/// What those who follow a build log receive, on a connection of their own.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _listener.emplace(connectionString());
    }

    void tearDown() override
    {
        _listener.reset();
        DatabaseFixture::tearDown();
    }

    CPPUNIT_TEST_SUITE(NotificationTest);
    CPPUNIT_TEST(tellsTheEndOfALog);
    CPPUNIT_TEST(tellsTheEndOfAnEmptyLog);
    CPPUNIT_TEST(pointsToTheFiveLinesExactly);
    CPPUNIT_TEST(pointsToTheFiveLinesOfEachJobOfARun);
    CPPUNIT_TEST(tellsOnceForEachJob);
    CPPUNIT_TEST(tellsNothingAboutAJobThatReports);
    CPPUNIT_TEST(tellsNothingAboutALockedJob);
    CPPUNIT_TEST(tellsNothingAboutABuildJobWithoutItsBuild);
    CPPUNIT_TEST(tellsNothingWhenTheTerminationFails);
    CPPUNIT_TEST(tellsNothingWhenTheCommitFails);
    CPPUNIT_TEST_SUITE_END();

    void tellsTheEndOfALog()
    {
        const std::string job = followedHungJob();
        database().addLog(job, "Planning");
        run();
        CPPUNIT_ASSERT_EQUAL(expectedPayload(job), received(job));
    }

    void tellsTheEndOfAnEmptyLog()
    {
        const std::string job = followedHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(expectedPayload(job), received(job));
    }

    void pointsToTheFiveLinesExactly()
    {
        const std::string job = followedHungJob();
        database().addLog(job, "Planning");
        database().addLog(job, "Planning");
        run();
        expectFiveLinesAfter(received(job), job);
    }

    void pointsToTheFiveLinesOfEachJobOfARun()
    {
        // Ids of two jobs must not interleave, or one would miss lines or get none.
        const std::string first = followedHungJob();
        const std::string second = followedHungJob();
        run();
        for (int i = 0; i < 2; ++i) {
            const auto notification = _listener->next(patience);
            CPPUNIT_ASSERT(notification);
            CPPUNIT_ASSERT(notification->jobId == first || notification->jobId == second);
            CPPUNIT_ASSERT_EQUAL(expectedPayload(notification->jobId), notification->payload);
            expectFiveLinesAfter(notification->payload, notification->jobId);
        }
    }

    void tellsOnceForEachJob()
    {
        const std::string job = followedHungJob();
        addHungJobs(3);
        run();
        CPPUNIT_ASSERT_EQUAL(expectedPayload(job), received(job));
        run();
        expectNothingReceived(*_listener, job);
    }

    void tellsNothingAboutAJobThatReports()
    {
        const std::string job = followedHungJob();
        database().heartbeat(job);
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        expectNothingReceived(*_listener, job);
    }

    void tellsNothingAboutALockedJob()
    {
        const std::string job = followedHungJob();
        addHungJob();
        const OpenTransaction worker(connectionString(),
                                     "SELECT id FROM provisioner_jobs WHERE id = '" + job + "' FOR UPDATE");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(1, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, statistics.terminated.size());
        expectNothingReceived(*_listener, job);
    }

    void tellsNothingAboutABuildJobWithoutItsBuild()
    {
        const std::string job = database().addJob({.type = "workspace_build"});
        _listener->follow(job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        expectNothingReceived(*_listener, job);
    }

    void tellsNothingWhenTheTerminationFails()
    {
        const std::string job = followedHungJob();
        refuse(database(), job);
        CPPUNIT_ASSERT_EQUAL(1, run().failed);
        expectNothingReceived(*_listener, job);
    }

    void tellsNothingWhenTheCommitFails()
    {
        const std::string job = followedHungJob();
        database().execute("CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN RAISE EXCEPTION ''refused at the commit''; END'");
        database().execute("CREATE CONSTRAINT TRIGGER refuse_commit AFTER UPDATE ON provisioner_jobs"
                           " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()");
        const RunStatistics statistics = run();
        CPPUNIT_ASSERT(statistics.terminated.empty());
        CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
        CPPUNIT_ASSERT(!isCompleted(job));
        expectNothingReceived(*_listener, job);
    }

    std::string followedHungJob()
    {
        std::string job = addHungJob();
        _listener->follow(job);
        return job;
    }

    std::string received(const std::string& job)
    /// The payload of the next notification, which has to be about the job.
    {
        const auto notification = _listener->next(patience);
        CPPUNIT_ASSERT_MESSAGE("nothing was received", notification);
        CPPUNIT_ASSERT_EQUAL(job, notification->jobId);
        return notification->payload;
    }

    std::string expectedPayload(const std::string& job)
    {
        const auto lines = database().logs(job);
        CPPUNIT_ASSERT(lines.size() >= 5);
        const std::int64_t lowestNewId = lines.at(lines.size() - 5).id;
        return R"({"created_after":)" + std::to_string(lowestNewId - 1) + R"(,"end_of_logs":true})";
    }

    void expectFiveLinesAfter(const std::string& payload, const std::string& job)
    /// Reads the log as a follower does.
    {
        const Text after = database().value("SELECT $1::jsonb ->> 'created_after'", payload);
        const Text lines =
            database().value("SELECT string_agg(output, '|' ORDER BY id) FROM provisioner_job_logs"
                             " WHERE job_id = $1::uuid AND id > " +
                                 after.value(),
                             job);
        CPPUNIT_ASSERT_EQUAL(
            Text("|====================|" + Sim::ContractTexts().line() + "|====================|"), lines);
    }

    std::optional<Sim::NotificationListener> _listener;
};

CPPUNIT_TEST_SUITE_REGISTRATION(NotificationTest);

} // namespace HangDetection::Test
