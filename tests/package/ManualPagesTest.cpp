// The manual pages are well formed, and say the same as the programs.

#include "ManualPage.h"
#include "Suite.h"
#include "Texts.h"

#include <Poco/String.h>

#include <sstream>
#include <utility>

namespace HangDetection::Test {

class ManualPagesTest : public CppUnit::TestFixture
{
    TEST_SUITE(ManualPagesTest);

    TEST(mandocHasNoComplaint)
    {
        for (const std::string& page : manualPages()) {
            std::istringstream lines(Sim::runCommand({"mandoc", "-Tlint", "-Wstyle", page}).output);
            for (std::string line; std::getline(lines, line);) {
                // Which other pages there are is a matter of what is installed.
                const bool isOfOtherPages = line.find("referenced manual not found") != std::string::npos ||
                                            line.find("outdated mandoc.db") != std::string::npos;
                CPPUNIT_ASSERT_MESSAGE(line, isOfOtherPages);
            }
        }
    }

    TEST(manHasNoWarning)
    {
        for (const std::string& page : manualPages())
            CPPUNIT_ASSERT_EQUAL(
                std::string(),
                Sim::mustRun(
                    {"sh", "-c",
                     "LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z \"$0\" "
                     ">/dev/null",
                     page}));
    }

    TEST(simulatorHasTheOptionsOfItsHelp)
    {
        const std::string page = textOfPage("hang-detector-sim.1");
        std::string expected = "The options are: ";
        for (const auto& [option, meaning] : optionsOfHelp())
            expected.append(option).append(" ").append(meaning).append(" ");
        expected += "EXIT STATUS";
        assertContains(expected, page);
    }

    static std::vector<std::pair<std::string, std::string>> optionsOfHelp()
    /// With what is said of each, as the simulator prints them.
    {
        std::vector<std::pair<std::string, std::string>> options;
        std::istringstream lines(Sim::mustRun({SIMULATOR, "--help"}));
        const std::regex option(R"((--\S+) +(.*))");
        for (std::string line; std::getline(lines, line);) {
            std::smatch found;
            if (std::regex_match(line, found, option))
                options.emplace_back(found[1], Poco::trim(found[2].str()));
            else if (!options.empty())
                options.back().second += ' ' + Poco::trim(line);
        }
        CPPUNIT_ASSERT(!options.empty());
        return options;
    }
};

} // namespace HangDetection::Test
