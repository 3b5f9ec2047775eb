#include "ChildProcess.h"
#include "Command.h"
#include "Count.h"
#include "Eventually.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class DemoTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(DemoTest);
    CPPUNIT_TEST(showsEveryEffectAndRemovesEverything);
    CPPUNIT_TEST(keepsTheDatabaseOnRequest);
    CPPUNIT_TEST(showsColoursAndALiveLineOnATerminal);
    CPPUNIT_TEST(saysThatItWasInterruptedAndRemovesEverything);
    CPPUNIT_TEST(removesEverythingWhenItIsInterruptedAtTheStart);
    CPPUNIT_TEST(removesEverythingWhenNobodyReads);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override
    {
        // Root's temporary directory has to be open for the server's own user.
        fs::permissions(_directory.path(), fs::perms::all);
    }

private:
    Sim::CommandLine inDirectory(const Sim::CommandLine& command) const
    {
        Sim::CommandLine line{"env", "TMPDIR=" + _directory.path().string()};
        line.insert(line.end(), command.begin(), command.end());
        return line;
    }

    Sim::CommandResult runDemo(const std::string& option) const
    {
        return Sim::runCommand(inDirectory({SIMULATOR, "--demo", option}));
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

    void showsColoursAndALiveLineOnATerminal()
    {
        const auto result = Sim::runCommand(
            inDirectory({"script", "--quiet", "--return", "--command", demoCommand, "/dev/null"}));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{1},
                                     count(result.output, "\033[32mevery effect is there\033[0m"));
        // The counts are written over, and come back below each line that is printed.
        CPPUNIT_ASSERT(result.output.find("hung 11  terminated 0\r\033[K") != std::string::npos);
        CPPUNIT_ASSERT(result.output.find("hung 0  terminated 11\r\033[K") != std::string::npos);
        CPPUNIT_ASSERT(result.output.find("hung 0  terminated 11\r\n") == std::string::npos);
    }

    void assertInterruptedWhen(const std::function<bool()>& condition)
    {
        ChildProcess demo(inDirectory({SIMULATOR, "--demo", "--keep"}), _output.path() / "output");
        CPPUNIT_ASSERT_MESSAGE(_output.read("output"), eventually(patience, condition));
        // As Ctrl-C does: the signal goes to everything that the demo has started, too.
        kill(-demo.id(), SIGINT);
        const auto status = demo.waitUntilEnded(patience);
        const std::string output = _output.read("output");
        CPPUNIT_ASSERT_MESSAGE(output, status.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, 130, *status);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, std::size_t{1},
                                     count(output, "\ninterrupted; the database is removed\n"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, std::size_t{0}, count(output, "effect"));
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    void saysThatItWasInterruptedAndRemovesEverything()
    {
        assertInterruptedWhen(
            [this] { return _output.read("output").find("\nrunning 19  hung 11 ") != std::string::npos; });
    }

    void removesEverythingWhenItIsInterruptedAtTheStart()
    {
        const auto isInitdbAtWork = [this] {
            const fs::directory_iterator directories(_directory.path());
            return std::any_of(begin(directories), end(directories), [](const fs::directory_entry& entry) {
                return fs::exists(entry.path() / "data/base");
            });
        };
        assertInterruptedWhen(isInitdbAtWork);
    }

    void removesEverythingWhenNobodyReads()
    {
        const auto result =
            Sim::runCommand(inDirectory({"sh", "-c", std::string(demoCommand) + " | head --lines=2"}));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, std::size_t{1},
                                     count(result.output, "PostgreSQL started in "));
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    static std::string lineAfter(const std::string& text, const std::string& before)
    {
        const auto at = text.find(before);
        CPPUNIT_ASSERT_MESSAGE(text, at != std::string::npos);
        const auto begin = at + before.size();
        return text.substr(begin, text.find('\n', begin) - begin);
    }

    /// Far more than a demo takes, even on a machine with much else to do.
    static constexpr std::chrono::seconds patience{60};

    static constexpr const char* demoCommand = SIMULATOR " --demo";

    TemporaryDirectory _directory;
    TemporaryDirectory _output;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DemoTest);

} // namespace HangDetection::Test
