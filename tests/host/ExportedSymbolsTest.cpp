#include "Command.h"
#include "Contains.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>
#include <sstream>
#include <string>

namespace HangDetection::Test {

class ExportedSymbolsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(ExportedSymbolsTest);
    CPPUNIT_TEST(areThoseOfTheInterfaceAndNoOthers);
    CPPUNIT_TEST(staysMappedAfterItWasClosedAndLeavesSlurmToTheHost);
    CPPUNIT_TEST_SUITE_END();

    void areThoseOfTheInterfaceAndNoOthers()
    {
        std::istringstream lines(Sim::mustRun({NM, "-D", "--defined-only", "--format=posix", PLUGIN}));
        std::set<std::string> symbols;
        for (std::string line; std::getline(lines, line);)
            symbols.insert(line.substr(0, line.find(' ')));
        const std::set<std::string> expected{"plugin_name", "plugin_type", "plugin_version", "init",
                                             "fini",        "job_submit",  "job_modify"};
        CPPUNIT_ASSERT(symbols == expected);
    }

    void staysMappedAfterItWasClosedAndLeavesSlurmToTheHost()
    {
        const std::string dynamic = Sim::mustRun({"readelf", "-d", PLUGIN});
        assertContains("NODELETE", dynamic);
        assertLacks("libslurm", dynamic);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExportedSymbolsTest);

} // namespace HangDetection::Test
