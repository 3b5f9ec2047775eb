#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "OpenTransaction.h"
#include "TerminationFaults.h"

#include <set>

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
    CPPUNIT_TEST(pointsOnceToTheFiveLinesOfEachJob);
    CPPUNIT_TEST(tellsNothingAboutJobsThatAreLeftAsTheyAre);
    CPPUNIT_TEST(tellsNothingWhenTheCommitFails);
    CPPUNIT_TEST_SUITE_END();

    void pointsOnceToTheFiveLinesOfEachJob()
    {
        // Ids of two jobs must not interleave, or one would miss lines or get none.
        const std::string withLog = followedHungJob();
        const std::string withoutLog = followedHungJob();
        database().addLog(withLog, "Planning");
        database().addLog(withLog, "Planning");
        addHungJobs(3);
        run();
        std::set<std::string> notified;
        for (int i = 0; i < 2; ++i) {
            const auto notification = _listener->next(patience);
            CPPUNIT_ASSERT_MESSAGE("nothing was received", notification);
            notified.insert(notification->jobId);
            CPPUNIT_ASSERT_EQUAL(expectedPayload(notification->jobId), notification->payload);
            expectFiveLinesAfter(notification->payload, notification->jobId);
        }
        CPPUNIT_ASSERT(notified == (std::set{withLog, withoutLog}));
        run();
        expectNothingReceived(*_listener, withLog);
        expectNothingReceived(*_listener, withoutLog);
    }

    void tellsNothingAboutJobsThatAreLeftAsTheyAre()
    {
        const std::string reporting = followedHungJob();
        database().heartbeat(reporting);
        const std::string locked = followedHungJob();
        const std::string withoutBuild = database().addJob({.type = "workspace_build"});
        _listener->follow(withoutBuild);
        const std::string refused = followedHungJob();
        refuse(database(), refused);
        const OpenTransaction worker(connectionString(), "SELECT id FROM provisioner_jobs WHERE id = '" +
                                                             locked + "' FOR UPDATE");
        const std::string terminated = addHungJob();

        const RunStatistics statistics = run();
        CPPUNIT_ASSERT_EQUAL(std::vector{terminated}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(1, statistics.locked);
        CPPUNIT_ASSERT_EQUAL(2, statistics.failed);
        for (const std::string& job : {reporting, locked, withoutBuild, refused})
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
