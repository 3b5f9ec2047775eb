// The sample and the manual page name the settings that the program knows, in its order, with
// its defaults, what it allows and what they mean. The README does so with some of them.

#include "ManualPage.h"
#include "Settings.h"
#include "Suite.h"

#include <Poco/String.h>

#include <algorithm>
#include <cstddef>
#include <fstream>

namespace HangDetection::Test {

class SettingsTextsTest : public CppUnit::TestFixture
{
    TEST_SUITE(SettingsTextsTest);

    TEST(rowsOfTheReadmeAreThoseOfTheProgram)
    {
        std::vector<std::string> found;
        std::ifstream readme(PROJECT_SOURCE_DIR "/README.md");
        std::string line;
        while (std::getline(readme, line) && line != "| key | default | allowed | meaning |")
            ;
        std::getline(readme, line);
        while (std::getline(readme, line) && line.starts_with("| "))
            found.push_back(line);

        std::vector<std::string> expected;
        for (const SettingDescription& setting : Settings::descriptions()) {
            const std::string begin = "| " + setting.key + " | ";
            if (std::ranges::any_of(found, [&](const std::string& row) { return row.starts_with(begin); }))
                expected.push_back(begin +
                                   (setting.allowed.empty()
                                        ? "none, required |"
                                        : setting.defaultValue + " | " + setting.allowed) +
                                   " | " + setting.meaning + " |");
        }
        CPPUNIT_ASSERT_EQUAL(joined(expected), joined(found));
        CPPUNIT_ASSERT(!found.empty());
    }

    static std::string joined(const std::vector<std::string>& lines)
    {
        return Poco::cat(std::string("\n"), lines.begin(), lines.end());
    }

    TEST(sampleIsThatOfTheProgram)
    {
        std::string expected;
        for (const SettingDescription& setting : Settings::descriptions())
            expected += setting.allowed.empty()
                            ? setting.key + "=postgresql://hang_detector@db.example.org/coder " +
                                  setting.meaning + '\n'
                            : setting.key + '=' +
                                  (setting.defaultValue == "none" ? "" : setting.defaultValue) + ' ' +
                                  setting.meaning + " (" + setting.allowed + ")\n";

        std::ifstream sample(PROJECT_SOURCE_DIR "/packaging/conf/hang_detector.conf");
        std::string found;
        // #Key=default  # meaning (what is allowed)
        const std::regex setting(R"(#(\w+=\S*) +# (.*))");
        for (std::string line; std::getline(sample, line);) {
            std::smatch parts;
            if (std::regex_match(line, parts, setting))
                found += parts[1].str() + ' ' + parts[2].str() + '\n';
            else
                CPPUNIT_ASSERT_MESSAGE(line, line.empty() || line == "#" || line.starts_with("# "));
        }
        CPPUNIT_ASSERT_EQUAL(expected, found);
    }

    TEST(manualPageIsThatOfTheProgram)
    {
        const std::string page = textOfPage("hang_detector.conf.5");
        std::size_t at = 0;
        for (const SettingDescription& setting : Settings::descriptions()) {
            const std::string text =
                setting.key + " Default: " +
                (setting.allowed.empty() ? "none, required. "
                                         : setting.defaultValue + ". Allowed: " + setting.allowed + ". ") +
                Poco::toUpper(setting.meaning.substr(0, 1)) + setting.meaning.substr(1) + '.';
            at = page.find(text, at);
            CPPUNIT_ASSERT_MESSAGE(text, at != std::string::npos);
        }
    }
};

} // namespace HangDetection::Test
