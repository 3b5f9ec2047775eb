// The README, the sample and the manual page name the settings that the program knows, in
// its order, with its defaults and what it allows.

#include "ManualPage.h"
#include "Settings.h"
#include "SettingsFile.h"
#include "TemporaryDirectory.h"

#include <Poco/StringTokenizer.h>
#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace HangDetection::Test {

using std::chrono::seconds;

class SettingsTextsTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(SettingsTextsTest);
    CPPUNIT_TEST(readmeIsThatOfTheProgram);
    CPPUNIT_TEST(sampleIsThatOfTheProgram);
    CPPUNIT_TEST(manualPageIsThatOfTheProgram);
    CPPUNIT_TEST_SUITE_END();

    struct Entry
    /// One setting as text. Connection has nothing but its key: it is told nowhere.
    {
        std::string key;
        std::string defaultValue;
        std::string allowed;
    };

    void readmeIsThatOfTheProgram()
    {
        std::string expected;
        for (const Entry& entry : program())
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
        for (const Entry& entry : program())
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
        for (const Entry& entry : program())
            expected += entry.key == "Connection" ? "Connection Default: none, required.\n"
                                                  : entry.key + " Default: " + entry.defaultValue +
                                                        ". Allowed: " + entry.allowed + ".\n";

        std::string found;
        const std::regex setting(R"(\w+ Default: (none, required\.|\w+\. Allowed: [^.]*\.))");
        for (std::sregex_iterator match(page.begin(), page.end(), setting), end; match != end; ++match)
            found += match->str() + '\n';
        CPPUNIT_ASSERT_EQUAL(expected, found);
    }

    std::vector<Entry> program()
    {
        const std::vector<SettingChange> defaults = Settings{}.changesTo(everyOther());
        std::vector<Entry> entries;
        const std::string keys = between(refusal("NoKey=1"), "allowed: ", "");
        for (const std::string& key : Poco::StringTokenizer(keys, ",", Poco::StringTokenizer::TOK_TRIM)) {
            CPPUNIT_ASSERT_MESSAGE(key + " is missing in everyOther()",
                                   entries.size() < defaults.size() &&
                                       defaults.at(entries.size()).key == key);
            const std::string& value = defaults.at(entries.size()).before;
            const std::string allowed = key == "Connection" ? "" : allowedFor(key);
            // Where 0 is something else than no time, it needs no unit.
            entries.push_back({key, value == "0s" ? "0" : value, allowed});
        }
        return entries;
    }

    static Settings everyOther()
    /// Settings of which each is another than the default.
    {
        Settings other;
        other.connection = ConnectionString::parse("dbname=coder");
        other.interval += seconds(1);
        other.hungJobDuration += seconds(1);
        other.hungJobExitTimeout += seconds(1);
        other.pendingJobDuration += seconds(1);
        ++other.maxJobsPerRun;
        other.runTimeout += seconds(1);
        other.dryRun = !other.dryRun;
        ++other.massHangRatio;
        ++other.massHangMinJobs;
        other.releaseAllocations = !other.releaseAllocations;
        other.metricsFile = "/other";
        return other;
    }

    std::string allowedFor(const std::string& key)
    {
        std::string allowed = between(refusal(key + "=nonsense"), "allowed: ", ", in seconds");
        const std::string number = "a whole number from ";
        return allowed.starts_with(number) ? allowed.substr(number.size()) : allowed;
    }

    std::string refusal(const std::string& line)
    {
        try {
            Settings::read(_directory.write("hang_detector.conf", "Connection=dbname=coder\n" + line + '\n'));
        } catch (const SettingsError& error) {
            return error.what();
        }
        CPPUNIT_FAIL("not refused: " + line);
        return {};
    }

    static std::string between(const std::string& text, const std::string& before, const std::string& after)
    /// The rest behind `before` when there is no `after`.
    {
        const auto begin = text.find(before);
        CPPUNIT_ASSERT_MESSAGE(text, begin != std::string::npos);
        const auto end = after.empty() ? std::string::npos : text.find(after, begin);
        return text.substr(begin + before.size(),
                           end == std::string::npos ? end : end - begin - before.size());
    }

    const TemporaryDirectory _directory;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SettingsTextsTest);

} // namespace HangDetection::Test
