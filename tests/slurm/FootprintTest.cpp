// What the plugin takes of slurmctld.

#include "Eventually.h"
#include "Figure.h"
#include "ProcessState.h"
#include "SlurmFixture.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class FootprintTest : public SlurmFixture
{
    CPPUNIT_TEST_SUITE(FootprintTest);
    CPPUNIT_TEST(hasOneThreadAndOneConnection);
    CPPUNIT_TEST(keepsTheMemoryOfSlurmctldFlat);
    CPPUNIT_TEST_SUITE_END();

    void hasOneThreadAndOneConnection()
    {
        cluster().startController();
        for (int run = 0; run < 3; ++run)
            waitUntilTerminated(database().addJob());
        // While a run is busy, a second thread watches it.
        CPPUNIT_ASSERT(
            eventually(10s, [this] { return ownThreads() == std::multiset<std::string>{"hang_detector"}; }));
        CPPUNIT_ASSERT_EQUAL(std::string("1"), database()
                                                   .value("SELECT count(*)::text FROM pg_stat_activity"
                                                          " WHERE application_name = $1",
                                                          "detector_in_slurmctld")
                                                   .value());
    }

    void keepsTheMemoryOfSlurmctldFlat()
    {
        constexpr int jobs = 10000;
        cluster().writeSettings(settings() + "MaxJobsPerRun=" + std::to_string(jobs) + "\nMassHangRatio=0\n");
        cluster().startController();
        waitUntilTerminated(database().addJob());
        const long before = residentKilobytes();
        database().addJobs(jobs);
        cluster().waitForLog("run finished terminated=" + std::to_string(jobs), 60s);
        const long after = residentKilobytes();
        figure() << jobs << " terminations in one run: slurmctld has " << before << " kB before and " << after
                 << " kB after\n";
        CPPUNIT_ASSERT(after - before < 10 * 1024);
    }

    std::multiset<std::string> ownThreads()
    {
        std::multiset<std::string> names = threadsOf(cluster().controller());
        std::erase_if(names, [](const std::string& name) { return !name.starts_with("hang_"); });
        return names;
    }

    long residentKilobytes()
    {
        std::ifstream status("/proc/" + std::to_string(cluster().controller()) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmRSS:"))
                return std::stol(line.substr(line.find(':') + 1));
        }
        CPPUNIT_FAIL("slurmctld is gone");
        return 0;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FootprintTest);

} // namespace HangDetection::Test
