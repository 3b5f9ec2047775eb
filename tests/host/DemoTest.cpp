#include "Command.h"
#include "Count.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class DemoTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(DemoTest);
    CPPUNIT_TEST(showsEveryEffectAndRemovesEverything);
    CPPUNIT_TEST(keepsTheDatabaseOnRequest);
    CPPUNIT_TEST_SUITE_END();

    Sim::CommandResult runDemo(const std::string& option)
    {
        // Root's temporary directory has to be open for the server's own user.
        fs::permissions(_directory.path(), fs::perms::all);
        return Sim::runCommand({"env", "TMPDIR=" + _directory.path().string(), SIMULATOR, "--demo", option});
    }

    void showsEveryEffectAndRemovesEverything()
    {
        const auto result = runDemo("--verbose");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{11}, count(result.output, "\nterminated "));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{11},
                                     count(result.output, "  notified {\"created_after\":"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{11},
                                     count(result.output, "hang_detector: job terminated job_id="));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{1},
                                     count(result.output, "every effect is there"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{0}, count(result.output, "missing"));
        // No terminal: no escape sequences.
        CPPUNIT_ASSERT(result.output.find('\033') == std::string::npos);
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    void keepsTheDatabaseOnRequest()
    {
        const auto result = runDemo("--keep");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
        const std::string look = lineAfter(result.output, "look at it with\n");
        const std::string remove = lineAfter(result.output, "stop and remove it with\n");
        const auto answer = Sim::runCommand(
            {"sh", "-c", look + " -Atc \"SELECT count(*) FROM provisioner_jobs WHERE error LIKE '%hung%'\""});
        const auto removed = Sim::runCommand({"sh", "-c", remove});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(answer.output, std::string("11\n"), answer.output);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(removed.output, 0, removed.exitStatus);
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    static std::string lineAfter(const std::string& text, const std::string& before)
    {
        const auto at = text.find(before);
        CPPUNIT_ASSERT_MESSAGE(text, at != std::string::npos);
        const auto begin = at + before.size();
        return text.substr(begin, text.find('\n', begin) - begin);
    }

    TemporaryDirectory _directory;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DemoTest);

} // namespace HangDetection::Test
