// The manual pages are well formed, and say the same as the programs.

#include "ManualPage.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "Texts.h"

#include <Poco/String.h>

#include <fstream>
#include <set>
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

    TEST(commandsFitIntoEightyColumns)
    /// So that they can be pasted from a terminal: none is wrapped, hyphenated or cut.
    {
        for (const std::string& page : manualPages()) {
            std::set<std::string> shown;
            std::istringstream lines(
                Sim::mustRun({"sh", "-c", "LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man -l \"$0\"", page}));
            for (std::string line; std::getline(lines, line);) {
                if (line.size() <= 80)
                    shown.insert(Poco::trim(line));
            }
            const auto verbatim = verbatimLines(page);
            CPPUNIT_ASSERT_MESSAGE(page, !verbatim.empty());
            for (const std::string& line : verbatim)
                CPPUNIT_ASSERT_MESSAGE(page + ": " + line, shown.contains(line));
        }
    }

    static std::vector<std::string> verbatimLines(const std::string& page)
    /// Commands, settings and lines of a log, without blanks around them.
    {
        std::vector<std::string> found;
        std::ifstream source(page);
        bool isVerbatim = false;
        for (std::string line; std::getline(source, line);) {
            if (line.starts_with(".Bd -literal") || line == ".Ed")
                isVerbatim = line != ".Ed";
            else if (isVerbatim || line.starts_with(".Dl "))
                found.push_back(Poco::trim(std::regex_replace(
                    std::regex_replace(line, std::regex(R"(^[.]Dl |\\&)"), ""), std::regex(R"(\\e)"), "\\")));
        }
        return found;
    }

    TEST(everyLineOfTheLogIsExplained)
    /// With its keys. What a dry run has in place of a line, with "would be", stands there with it.
    {
        const std::string page = textOfPage("job_submit_hang_detector.8");
        const std::string diagnostics = page.substr(page.rfind(" DIAGNOSTICS "));
        // As in LogLine("event") or LogLine line(isThis ? "event" : "other event").
        const std::regex call(
            R"re((?:LogLine|LogLine line|lineOf\w*|information|debug)\(([^()]*"[^)]*)\))re");
        std::size_t events = 0;
        for (const char* const file :
             {"notification/RunLog.cpp", "notification/MetricsFile.cpp", "detection/Service.cpp"}) {
            const std::string source = textOf(PROJECT_SOURCE_DIR "/plugin/" + std::string(file));
            for (const std::string& arguments : found(call, source)) {
                for (const std::string& event : found(std::regex("\"([^\"]+)\""), arguments)) {
                    ++events;
                    if (!contains(" would be ", event))
                        assertContains(event, diagnostics);
                }
            }
            for (const std::string& key : found(std::regex(R"re([.]add\("(\w+)")re"), source))
                assertContains(' ' + key + '=', diagnostics);
        }
        CPPUNIT_ASSERT_MESSAGE(std::to_string(events), events > 35);
    }

    static std::vector<std::string> found(const std::regex& pattern, const std::string& text)
    /// What the group of the pattern matches.
    {
        return {std::sregex_token_iterator(text.begin(), text.end(), pattern, 1), {}};
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
        const std::regex option(R"(((?:-., )?--\S+) +(.*))");
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
