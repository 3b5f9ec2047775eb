#include "notification/AllocationLog.h"

#include "RecordingLogger.h"

#include <Poco/NotificationCenter.h>
#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

class AllocationLogTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(AllocationLogTest);
    CPPUNIT_TEST(writesALineForEachRelease);
    CPPUNIT_TEST(warnsOnceOfOneThatIsKept);
    CPPUNIT_TEST(warnsThatSlurmDoesNotAnswer);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* job = "11111111-2222-4333-8444-555555555555";

    void expectLogged(const std::string& line) const
    {
        CPPUNIT_ASSERT(!_log.lines().empty());
        CPPUNIT_ASSERT_EQUAL(line, _log.lines().back());
    }

    void writesALineForEachRelease()
    {
        _center.postNotification(new AllocationReleased(job, "12"));
        expectLogged(std::string("information: allocation released job_id=") + job + " slurm_job=12");
    }

    void warnsOnceOfOneThatIsKept()
    {
        const std::string line = std::string("allocation not released job_id=") + job +
                                 " slurm_job=12 error=\"Access/permission denied\"";
        _center.postNotification(new AllocationKept(job, "12", "Access/permission denied", false));
        expectLogged("warning: " + line);
        _center.postNotification(new AllocationKept(job, "12", "Access/permission denied", true));
        expectLogged("debug: " + line);
    }

    void warnsThatSlurmDoesNotAnswer()
    {
        _center.postNotification(new AllocationsUnknown("Unable to contact slurm controller"));
        expectLogged(
            "warning: allocations unknown error=\"Unable to contact slurm controller\" advice=\"jobs are "
            "terminated as without Slurm; allocations are released when it tells its jobs again\"");
        _center.postNotification(new AllocationsKnown);
        expectLogged("information: allocations known again");
    }

    Poco::NotificationCenter _center;
    RecordingLogger _log;
    AllocationLog _allocationLog{_center, _log.logger()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(AllocationLogTest);

} // namespace HangDetection::Test
