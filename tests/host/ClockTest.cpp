#include "SimulatorFixture.h"

#include <Poco/DateTime.h>
#include <Poco/DateTimeParser.h>
#include <Poco/Timestamp.h>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class ClockTest : public SimulatorFixture
/// The clock of the plugin's host is ten minutes ahead or behind, which is twice the
/// HungJobDuration. That of the database and the monotonic one are right.
{
    TEST_SUITE(ClockTest);

    using Clock = std::chrono::steady_clock;

public:
    void setUp() override
    {
        SimulatorFixture::setUp();
        _healthy = database().addJob({.updatedAgo = "0 seconds"});
        // A minute is left until it is hung, far more than a test takes.
        _quiet = database().addJob({.updatedAgo = "4 minutes"});
    }

private:
    TEST(changesNothing)
    {
        startWithClockAt(-10min);
        expectAllAsWithTheRightClock(-10min);
        // The file is from the future for a clock that is behind.
        useSettings("Interval=1\nMaxJobsPerRun=7\n");
        await([this] { return contains("settings read again MaxJobsPerRun=\"10 -> 7\"", log()); });
        jumpTo(10min);
        jumpTo(-10min);
    }

    void startWithClockAt(std::chrono::minutes offset)
    {
        setClockTo(offset);
        const std::string file = (directory().path() / "offset").string();
        // Without the monotonic fix, waits of some time would end at once.
        startHost(simulator({"--verbose"},
                            {"env", "LD_PRELOAD=" FAKETIME_LIBRARY, "FAKETIME_TIMESTAMP_FILE=" + file,
                             "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
                             "FAKETIME_FORCE_MONOTONIC_FIX=0", "NO_FAKE_STAT=1", "TZ=UTC"}));
    }

    void setClockTo(std::chrono::minutes offset) const
    {
        const auto file =
            directory().write("next", (offset < 0min ? "" : "+") + std::to_string(offset.count()) + "m\n");
        std::filesystem::rename(file, directory().path() / "offset");
    }

    void jumpTo(std::chrono::minutes offset)
    /// Runs keep their interval of one second.
    {
        setClockTo(offset);
        const auto start = Clock::now();
        expectAllAsWithTheRightClock(offset);
        awaitRuns(1);
        // These were two runs at least, of which the first may have been late.
        CPPUNIT_ASSERT(Clock::now() - start >= 1s);
    }

    void expectAllAsWithTheRightClock(std::chrono::minutes offset)
    /// Hung jobs are terminated, and no others.
    {
        const std::string hung = database().addJob({.updatedAgo = "301 seconds"});
        const std::string termination = "job terminated job_id=" + hung + ' ';
        // Some runs have to see that nothing writes the job.
        const auto until = Clock::now() + 20s;
        while (!contains(termination, log()) && Clock::now() < until)
            awaitRuns(1);
        const std::string line = lineOf(termination);
        const int silent = std::stoi(line.substr(line.find("silent_s=") + 9));
        CPPUNIT_ASSERT(silent >= 301 && silent < 360);
        CPPUNIT_ASSERT(database().isTrue(
            "SELECT completed_at = updated_at AND completed_at BETWEEN now() - interval '1 minute' AND now()"
            " FROM provisioner_jobs WHERE id = $1::uuid",
            hung));
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, database().logs(hung).size());
        expectClockOff(line, offset);

        ++_hung;
        CPPUNIT_ASSERT_EQUAL(_hung, count(log(), " job terminated "));
        CPPUNIT_ASSERT(!isCompleted(_healthy));
        CPPUNIT_ASSERT(!isCompleted(_quiet));
        assertLacks("run failed", log());
    }

    void awaitRuns(std::size_t more)
    /// Meanwhile the worker of the healthy job reports, as it does all the time.
    {
        const auto runs = [this] { return count(log(), "job_submit/hang_detector: run finished "); };
        const std::size_t before = runs();
        await([&] {
            database().heartbeat(_healthy);
            return runs() >= before + more;
        });
    }

    static void expectClockOff(const std::string& line, std::chrono::minutes offset)
    /// The line, which is not older than some seconds, begins with the local time of the process.
    {
        int zone = 0;
        const Poco::DateTime time =
            Poco::DateTimeParser::parse("[%Y-%m-%dT%H:%M:%S.%i", line.substr(0, line.find(']')), zone);
        const std::chrono::microseconds ahead(time.timestamp() - Poco::Timestamp());
        CPPUNIT_ASSERT_MESSAGE(line, ahead > offset - 1min && ahead < offset + 1min);
    }

    std::string lineOf(const std::string& part) const
    /// The line of the log that has this part.
    {
        const std::string text = log();
        Test::assertContains(part, text);
        const auto at = text.find(part);
        const auto begin = text.rfind('\n', at) + 1;
        return text.substr(begin, text.find('\n', at) - begin);
    }

    std::string _healthy;
    std::string _quiet;
    std::size_t _hung = 0;
};

} // namespace HangDetection::Test
