// The README is short, says first what comes first, and shows what is there.

#include "ManualPage.h"
#include "Printing.h"
#include "Suite.h"

#include <fstream>

namespace HangDetection::Test {

class ReadmeTest : public CppUnit::TestFixture
{
    TEST_SUITE(ReadmeTest);

public:
    void setUp() override
    {
        std::ifstream readme(PROJECT_SOURCE_DIR "/README.md");
        for (std::string line; std::getline(readme, line);)
            _lines.push_back(line);
    }

private:
    TEST(hasAtMost250Lines)
    {
        CPPUNIT_ASSERT_MESSAGE(std::to_string(_lines.size()), !_lines.empty() && _lines.size() <= 250);
    }

    TEST(hasItsSectionsInTheOrderOfAReader)
    {
        std::vector<std::string> sections;
        for (const std::string& line : _lines) {
            if (line.starts_with("## "))
                sections.push_back(line.substr(3));
        }
        CPPUNIT_ASSERT_EQUAL(
            (std::vector<std::string>{"The parts", "See it work", "Requirements and versions", "Quick start",
                                      "Verify", "Settings that you will change", "Operate",
                                      "When things fail", "Upgrade and remove", "Develop"}),
            sections);
    }

    TEST(namesPagesAndFilesThatThereAre)
    {
        // "slurmd(8)" is in slurmd.8.
        for (const std::string& page : found("\\b((?:hang|job)[a-z_.-]+[(][158])[)]"))
            assertExists("packaging/man/" + std::regex_replace(page, std::regex("[(]"), "."));
        for (const std::string& path : found("[`(]((?:host-sim|packaging|plugin|tests)/[A-Za-z./-]+)"))
            assertExists(path);
    }

    static void assertExists(const std::string& path)
    {
        CPPUNIT_ASSERT_MESSAGE(path, std::filesystem::exists(PROJECT_SOURCE_DIR "/" + path));
    }

    std::vector<std::string> found(const std::string& pattern) const
    /// What the group of the pattern matches.
    {
        const std::regex regex(pattern);
        std::vector<std::string> all;
        for (const std::string& line : _lines)
            all.insert(all.end(), std::sregex_token_iterator(line.begin(), line.end(), regex, 1),
                       std::sregex_token_iterator());
        CPPUNIT_ASSERT_MESSAGE(pattern, !all.empty());
        return all;
    }

    std::vector<std::string> _lines;
};

} // namespace HangDetection::Test
