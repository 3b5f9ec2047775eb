// The README, the sample and the manual page name the settings that the program knows, in
// its order, with its defaults and what it allows.

#include "ManualPage.h"
#include "Settings.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <regex>
#include <string>

namespace HangDetection::Test {

class SettingsTextsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(SettingsTextsTest);
    CPPUNIT_TEST(readmeIsThatOfTheProgram);
    CPPUNIT_TEST(sampleIsThatOfTheProgram);
    CPPUNIT_TEST(manualPageIsThatOfTheProgram);
    CPPUNIT_TEST_SUITE_END();

    void readmeIsThatOfTheProgram()
    {
        std::string expected;
        for (const SettingDescription& entry : Settings::descriptions())
            expected += entry.key == "Connection"
                            ? "| Connection | none, required | |\n"
                            : "| " + entry.key + " | " + entry.defaultValue + " | " + entry.allowed + " |\n";

        std::ifstream readme(PROJECT_SOURCE_DIR "/README.md");
        std::string found;
        std::string line;
        while (std::getline(readme, line) && line != "| key | default | allowed | meaning |")
            ;
        std::getline(readme, line);
        while (std::getline(readme, line) && line.starts_with("| "))
            found += line.substr(0, line.find_last_of('|', line.size() - 2) + 1) + '\n';
        CPPUNIT_ASSERT_EQUAL(expected, found);
    }

    void sampleIsThatOfTheProgram()
    {
        std::string expected;
        for (const SettingDescription& entry : Settings::descriptions())
            expected += entry.key == "Connection"
                            ? "Connection\n"
                            : entry.key + '=' + (entry.defaultValue == "none" ? "" : entry.defaultValue) +
                                  " (" + entry.allowed + ")\n";

        std::ifstream sample(PROJECT_SOURCE_DIR "/packaging/conf/hang_detector.conf");
        std::string found;
        // #Key=default  # meaning (what is allowed)
        const std::regex setting(R"(#(\w+)=(\S*) +# .*?\(([^)]*)\).*)");
        for (std::string line; std::getline(sample, line);) {
            std::smatch parts;
            if (line.starts_with("#Connection="))
                found += "Connection\n";
            else if (std::regex_match(line, parts, setting))
                found += parts[1].str() + '=' + parts[2].str() + " (" + parts[3].str() + ")\n";
            else
                CPPUNIT_ASSERT_MESSAGE(line, line.empty() || line == "#" || line.starts_with("# "));
        }
        CPPUNIT_ASSERT_EQUAL(expected, found);
    }

    void manualPageIsThatOfTheProgram()
    {
        const std::string page = textOfPage("hang_detector.conf.5");
        std::string expected;
        for (const SettingDescription& entry : Settings::descriptions())
            expected += entry.key == "Connection" ? "Connection Default: none, required.\n"
                                                  : entry.key + " Default: " + entry.defaultValue +
                                                        ". Allowed: " + entry.allowed + ".\n";

        std::string found;
        const std::regex setting(R"(\w+ Default: (none, required\.|\w+\. Allowed: [^.]*\.))");
        for (std::sregex_iterator match(page.begin(), page.end(), setting), end; match != end; ++match)
            found += match->str() + '\n';
        CPPUNIT_ASSERT_EQUAL(expected, found);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SettingsTextsTest);

} // namespace HangDetection::Test
