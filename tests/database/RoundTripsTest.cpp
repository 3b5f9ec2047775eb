#include "CountingProxy.h"
#include "DatabaseFixture.h"
#include "Figure.h"
#include "LibpqSession.h"
#include "TerminationFaults.h"
#include "detection/Run.h"

#include <cmath>

namespace HangDetection::Test {

class RoundTripsTest : public DatabaseFixture
/// How often the detector waits for an answer of the server, counted at the socket.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _proxy.emplace(server().directory());
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + _proxy->directory().string());
        settings().maxJobsPerRun = 10000;
        settings().massHangRatio = 0;
        // Otherwise the clock of the others' heartbeats would seem to be behind.
        database().addJob({.updatedAgo = "-1 hour"});
        // The detector is connected, has prepared its statements, and does not ask for an index on a
        // slow machine.
        runWithASlowSearch();
        roundTripsOfARun(1);
    }

    void tearDown() override
    {
        DatabaseFixture::tearDown();
        _proxy.reset();
    }

    TEST_SUITE(RoundTripsTest);

    TEST(countsWhatAClientWaitsFor)
    {
        LibpqSession client(connectionString() + " host=" + _proxy->directory().string());
        const auto trips = [&](auto question) {
            _proxy->reset();
            question();
            return _proxy->roundTrips();
        };
        const std::string longText = "SELECT length('" + std::string(1000000, 'x') + "')";
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { client.execute("SELECT 1"); }));
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { client.execute(longText); }));
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { client.execute("SELECT repeat('x', 1000000)"); }));
        CPPUNIT_ASSERT_EQUAL(2, trips([&] { client.ask("SELECT 1", {}); }));
    }

    TEST(waitsNoMoreOftenForMoreJobs)
    {
        const int idle = roundTripsOfARun(0);
        const int one = roundTripsOfARun(1);
        const int batch = roundTripsOfARun(batchSize);
        const int threeBatches = roundTripsOfARun(2 * batchSize + 1);
        const int tenThousand = roundTripsOfARun(10000);
        figure() << "round trips of a run: " << idle << " with nothing to do, " << one << " for 1 job, "
                 << batch << " for " << batchSize << ", " << tenThousand << " for 10000\n";
        CPPUNIT_ASSERT_EQUAL(1, idle);
        // The search, the termination and the names.
        CPPUNIT_ASSERT_EQUAL(3, one);
        CPPUNIT_ASSERT_EQUAL(one, batch);
        CPPUNIT_ASSERT_EQUAL(one + 2 * 2, threeBatches);
        CPPUNIT_ASSERT_EQUAL(one + 2 * (10000 / batchSize - 1), tenThousand);
    }

    TEST(waitsAsOftenInADryRun)
    {
        const int idle = roundTripsOfARun(0);
        const int one = roundTripsOfARun(1);
        Settings dry = settings();
        dry.dryRun = true;
        dry.pendingJobDuration = std::chrono::minutes(30);
        detector().use(dry);
        const auto ofADryRun = [this](int more) {
            database().addJobs(more);
            runAndCount(more > 0);
            return _proxy->roundTrips();
        };
        CPPUNIT_ASSERT_EQUAL(idle, ofADryRun(0));
        // The first one is prepared.
        CPPUNIT_ASSERT_EQUAL(one + 1, ofADryRun(1));
        CPPUNIT_ASSERT_EQUAL(one, ofADryRun(batchSize - 1));
        CPPUNIT_ASSERT_EQUAL(one + 2 * 2, ofADryRun(batchSize + 1));
        // What was logged before takes no statement of its own.
        CPPUNIT_ASSERT_EQUAL(one + 2 * 2, ofADryRun(0));
    }

    TEST(watchesTerminatedJobsWithoutWaitingMoreOften)
    {
        const int idle = roundTripsOfARun(0);
        settings().interval = std::chrono::seconds(0);
        detector().use(settings());
        roundTripsOfARun(0);
        roundTripsOfARun(batchSize);
        CPPUNIT_ASSERT_EQUAL(idle, roundTripsOfARun(0));
        CPPUNIT_ASSERT(posted().revived.empty());
        // Only what it then has to tell takes a statement, which is prepared.
        database().heartbeat(posted().terminated.front().jobId);
        CPPUNIT_ASSERT_EQUAL(idle + 1 + 1, roundTripsOfARun(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, posted().revived.size());
    }

    TEST(waitsOnceMoreForStalledJobs)
    {
        const int idle = roundTripsOfARun(0);
        database().execute("UPDATE provisioner_jobs SET canceled_at = now() WHERE completed_at IS NULL");
        settings().stalledJobDuration = std::chrono::minutes(10);
        detector().use(settings());
        const auto withStalled = [this](int jobs) {
            database().addJobs(jobs, {.updatedAgo = "1 second"});
            CPPUNIT_ASSERT_EQUAL(jobs, runAndCount(false).canceled);
            return _proxy->roundTrips();
        };
        withStalled(0);
        CPPUNIT_ASSERT_EQUAL(idle + 1, withStalled(0));
        withStalled(1);
        // What follows, the cancel and the names.
        withStalled(1);
        CPPUNIT_ASSERT_EQUAL(idle + 1 + 3, withStalled(1));
        CPPUNIT_ASSERT_EQUAL(idle + 1 + 3, withStalled(batchSize));
    }

    TEST(preparesAStatementOnceForAConnection)
    {
        const int one = roundTripsOfARun(1);
        forgetDetector();
        _proxy->reset();
        runWithASlowSearch();
        // It logs in, sets up its session, searches, and asks itself whether an index is missing.
        CPPUNIT_ASSERT_EQUAL(1 + 3 * (1 + 1), _proxy->roundTrips());
        // The termination and the names are prepared, once.
        CPPUNIT_ASSERT_EQUAL(one + 2, roundTripsOfARun(1));
        CPPUNIT_ASSERT_EQUAL(one, roundTripsOfARun(1));
    }

    TEST(halvesOnlyTheBatchThatFailed)
    {
        const int good = roundTripsOfARun(3 * batchSize);
        const std::string refused = addHungJob();
        refuse(database(), refused);
        database().addJobs(3 * batchSize - 1);
        const RunStatistics statistics = runAndCount();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3 * batchSize - 1}, statistics.terminated.size());
        CPPUNIT_ASSERT_EQUAL(1, statistics.failed);
        // Two halves at each level, and the names of one.
        const int levels = static_cast<int>(std::ceil(std::log2(batchSize)));
        figure() << "round trips of a run with " << 3 * batchSize << " jobs: " << good
                 << ", with one that the database refuses " << _proxy->roundTrips() << '\n';
        CPPUNIT_ASSERT(_proxy->roundTrips() > good);
        CPPUNIT_ASSERT(_proxy->roundTrips() <= good + levels * 3);
    }

    TEST(fetchesNeitherLogsNorStates)
    {
        const int plain = roundTripsOfARun(1);
        const std::string workspace = Sim::JobDatabase::newId();
        addFinishedBuild(workspace, 1, std::string(1000000, 's'));
        const std::string job = addHungBuild(workspace, 2);
        for (int line = 0; line < 200; ++line)
            database().addLog(job, "Applying", std::string(1000, 'x'));
        const RunStatistics statistics = runAndCount();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(std::string("Applying"), posted().terminated.back().stage);
        CPPUNIT_ASSERT(BuildState::copied == posted().terminated.back().state);
        CPPUNIT_ASSERT_EQUAL(plain, _proxy->roundTrips());
        // Statements and answers; the state alone is a megabyte.
        CPPUNIT_ASSERT_MESSAGE(std::to_string(_proxy->bytes()), _proxy->bytes() < 50000);
    }

    int roundTripsOfARun(int hungJobs)
    {
        database().addJobs(hungJobs);
        CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(hungJobs), runAndCount(hungJobs > 0).terminated.size());
        return _proxy->roundTrips();
    }

    RunStatistics runAndCount(bool hasNewJobs = true)
    /// New jobs are looked at by a run of its own before, as in a deployment.
    {
        if (hasNewJobs)
            detector().run({});
        _proxy->reset();
        RunStatistics statistics = detector().run({});
        CPPUNIT_ASSERT(!statistics.error);
        return statistics;
    }

    static constexpr int batchSize = Run::batchSize;

    std::optional<CountingProxy> _proxy;
};

} // namespace HangDetection::Test
