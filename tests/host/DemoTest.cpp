#include "ChildProcess.h"
#include "Eventually.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "TerminalProcess.h"
#include "Texts.h"

#include <csignal>
#include <regex>
#include <sstream>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class DemoTest : public CppUnit::TestFixture
{
    TEST_SUITE(DemoTest);

public:
    void setUp() override
    {
        // Root's temporary directory has to be open for the server's own user.
        fs::permissions(_directory.path(), fs::perms::all);
    }

    void tearDown() override
    /// However a demo ended, it has removed everything.
    {
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

private:
    Sim::CommandLine inDirectory(const Sim::CommandLine& command) const
    {
        Sim::CommandLine line{"env", "TMPDIR=" + _directory.path().string()};
        line.insert(line.end(), command.begin(), command.end());
        return line;
    }

    std::string runDemo(const std::string& option) const
    {
        const auto result = Sim::runCommand(inDirectory({SIMULATOR, "--demo", option}));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
        return result.output;
    }

    static void assertCount(std::size_t expected, const std::string& part, const std::string& text)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(part + " in " + text, expected, count(text, part));
    }

    TEST(showsEveryEffect)
    {
        const std::string output = runDemo("--verbose");
        assertCount(14, "\nterminated ", output);
        assertLines(1, "canceled [0-9a-f-]{36}  .*", output);
        assertCount(15, "  notified {\"created_after\":", output);
        assertCount(14, "hang_detector: job terminated job_id=", output);
        assertCount(5, "\ncancelled Slurm job ", output);
        assertCount(5, "hang_detector: allocation released job_id=", output);
        assertCount(1, "\nleft alone ", output);
        assertCount(1,
                    "\nsbatch --comment=provisioner_job=junk: refused: provisioner_job=junk is not the id of "
                    "a provisioner job; allowed in the comment is one of provisioner_job=UUID",
                    output);
        assertTable(output);
        assertCount(1, "\nevery effect is there, after ", output);
        assertLacks("missing", output);
        assertLacks("error: ", output);
        const std::string seconds = lineAfter(output, "\nevery effect is there, after ");
        CPPUNIT_ASSERT_MESSAGE(seconds, std::stod(seconds) < 60);
        // No terminal: no escape sequences.
        assertLacks("\033", output);
    }

    static int countLines(const std::string& text, const std::string& pattern)
    /// Those that match it as a whole.
    {
        const std::regex regex(pattern);
        std::istringstream lines(text);
        int matching = 0;
        for (std::string line; std::getline(lines, line);)
            matching += std::regex_match(line, regex) ? 1 : 0;
        return matching;
    }

    static void assertLines(int expected, const std::string& pattern, const std::string& text)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(pattern + " in " + text, expected, countLines(text, pattern));
    }

    static void assertTable(const std::string& text)
    /// It is there once, as it is at the end.
    {
        assertLines(1, "job  .*outcome", text);
        const auto assertJobs = [&](int expected, const std::string& pattern) {
            assertLines(expected, "[0-9a-f]{8} +" + pattern + " *", text);
        };
        assertJobs(12, ".*[0-9]+[mh] [0-9]{2}[sm] .* failed .* terminated hung");
        assertJobs(1, "build +45m [0-9]{2}s +Unknown +failed +terminated pending");
        assertJobs(1, "build +0m [0-9]{2}s +Starting workspace +failed +[0-9]+ failed +terminated ended");
        assertJobs(1, "build .* Starting workspace +failed +[0-9]+,[0-9]+ cancelled +terminated hung");
        assertJobs(3, ".* failed +[0-9]+ cancelled +terminated hung");
        assertJobs(1, "build +0m [0-9]{2}s +Applying +failed +canceled stalled");
        assertJobs(
            1, "build +10m [0-9]{2}s +Starting workspace +running +[0-9]+ suspended +left alone: suspended");
        assertJobs(6, ".* +0m [0-9]{2}s .* +running .* +left alone: reports");
        assertJobs(1, ".* running +[0-9]+ running +left alone: reports");
        assertJobs(2, ".* running .* +left alone: under 5m");
        assertJobs(1, ".* queued +left alone: queued");
        assertJobs(1, ".* done +left alone: done");
    }

    TEST(keepsTheDatabaseOnRequest)
    {
        const std::string output = runDemo("--keep");
        const std::string look = lineAfter(output, "look at it with\n");
        const std::string remove = lineAfter(output, "stop and remove it with\n");
        const auto answer = Sim::runCommand(
            {"sh", "-c", look + " -Atc \"SELECT count(*) FROM provisioner_jobs WHERE error LIKE '%hung%'\""});
        const auto removed = Sim::runCommand({"sh", "-c", remove});
        CPPUNIT_ASSERT_EQUAL(std::string("12\n"), answer.output);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(removed.output, 0, removed.exitStatus);
    }

    Sim::CommandLine onTerminal(const std::string& terminal = "xterm", const std::string& noColour = "") const
    {
        return inDirectory({"env", "TERM=" + terminal, "NO_COLOR=" + noColour, SIMULATOR, "--demo"});
    }

    static void awaitOutput(TerminalProcess& demo, const std::function<bool(const std::string&)>& condition)
    {
        if (!demo.readUntil(condition, patience))
            CPPUNIT_FAIL(demo.output());
    }

    static void awaitText(TerminalProcess& demo, const std::string& text)
    {
        awaitOutput(demo, [&](const std::string& output) { return contains(text, output); });
    }

    static void expectEnd(TerminalProcess& demo, int expected)
    {
        const auto status = demo.readToEnd(patience);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(demo.output(), expected, status.value_or(-1));
    }

    static void assertUsable(const TerminalProcess& demo)
    {
        const TerminalScreen screen = demo.screen();
        CPPUNIT_ASSERT_MESSAGE(screen.text(), screen.isCursorVisible());
        CPPUNIT_ASSERT_MESSAGE(screen.text(), demo.echoes());
        CPPUNIT_ASSERT_MESSAGE(screen.text(), !screen.isColoured());
    }

    TEST(drawsATableInPlaceOnATerminal)
    {
        TerminalProcess demo(onTerminal(), 110, 40);
        awaitText(demo, "terminated 0 ");
        awaitOutput(demo, [](const std::string& output) { return output.ends_with(endOfBlock); });
        const TerminalScreen before = demo.screen();
        CPPUNIT_ASSERT_MESSAGE(before.text(), !before.isCursorVisible());
        // On a slow machine the last one is so far, too.
        CPPUNIT_ASSERT_MESSAGE(before.text(), countLines(before.text(), ".* hung") >= 12);

        expectEnd(demo, 0);
        for (const char* const step : {"1/4 initdb", "2/4 start", "3/4 tables", "4/4 jobs"})
            assertCount(1, step, demo.output());
        assertCount(1, "\033[32mevery effect is there, after ", demo.output());
        // A handful for each second.
        CPPUNIT_ASSERT_MESSAGE(demo.output(), count(demo.output(), endOfBlock) > 10);
        assertTable(demo.screen().text());
        assertUsable(demo);
        assertCountsOfEachDrawing(demo.output());
    }

    static void assertCountsOfEachDrawing(const std::string& output)
    /// They are those of the table above them.
    {
        TerminalScreen screen(110, 40);
        std::string text;
        for (std::size_t begin = 0, end = 0; (end = output.find(endOfBlock, begin)) != std::string::npos;
             begin = end) {
            end += std::string(endOfBlock).size();
            screen.write(std::string_view(output).substr(begin, end - begin));
            text = screen.text();
            const std::regex pattern(
                "\nrunning ([0-9]+)  hung ([0-9]+)  terminated ([0-9]+)  canceled ([0-9]+) ");
            std::smatch counts;
            // The progress of the start has none.
            if (!std::regex_search(text, counts, pattern))
                continue;
            // Two blanks before and after: the whole text of a column.
            const std::string job = "[0-9a-f]{8} .*";
            assertLines(std::stoi(counts[1]), job + "  running  .*", text);
            assertLines(std::stoi(counts[2]), job + "  hung", text);
            assertLines(std::stoi(counts[3]), job + "  terminated (hung|pending|ended)", text);
            assertLines(std::stoi(counts[4]), job + "  canceled stalled", text);
        }
        assertContains("\nrunning 9  hung 0  terminated 14  canceled 1  notified 15\n", text);
    }

    TEST(fitsTheTerminal)
    {
        assertFits(60, 12, "... and 17 more");
        assertFits(80, 24, "... and 5 more");
    }

    void assertFits(unsigned short columns, unsigned short rows, const std::string& cut) const
    /// The table in place is cut, the last one is there once and whole, and no word is broken. Without
    /// colours.
    {
        TerminalProcess demo(onTerminal("xterm", "1"), columns, rows);
        expectEnd(demo, 0);
        assertLacks("\033[0m", demo.output());
        CPPUNIT_ASSERT_MESSAGE(demo.output(), count(demo.output(), cut) > 10);
        // What does not fit would be drawn again and again below itself.
        const std::string text = demo.screen().text();
        assertLines(1, "job  .*outcome", text);
        assertLines(12, "[0-9a-f]{8} .* terminated hung", text);
        assertLines(14,
                    "[0-9a-f]{8} .* (terminated (pending|ended)|canceled stalled|"
                    "left alone: (suspended|reports|under 5m|queued|done))",
                    text);
        assertLines(0, ".{" + std::to_string(columns) + ",}", text.substr(text.find("\njob  ")));
        const std::string inOneLine = std::regex_replace(text, std::regex("\\s+"), " ");
        for (const char* const part :
             {" 26 jobs: 6 running with heartbeats, 2 silent for less than 5 minutes, 2 not running, 1 "
              "suspended "
              "by Slurm, 1 pending for too long, 1 whose Slurm job has failed, 1 that does not move, 12 hung "
              "or "
              "about to be ",
              " is not the id of a provisioner job; allowed in the comment is one of provisioner_job=UUID ",
              " effect, in number of jobs expected found ",
              " hung, pending or ended job marked failed, with the reason 14 14 ",
              " Slurm job of a terminated job cancelled, with the reason 5 5 ",
              " to look at the database with psql, run the demo with --keep "})
            assertContains(part, inOneLine);
        assertUsable(demo);
    }

    TEST(keepsWhatIsTypedOutOfTheTable)
    {
        // Only what a shell can continue does Ctrl-Z stop.
        const std::string inShell = "TERM=xterm " + std::string(demoCommand) + "; exit $?";
        TerminalProcess demo(inDirectory({"sh", "-mc", inShell}), 80, 40);
        awaitText(demo, "terminated 0 ");
        demo.type("\x02\n\x1a");
        expectEnd(demo, 0);
        assertLacks("^B", demo.output());
        assertCount(1, "every effect is there", demo.output());
    }

    TEST(leavesAUsableTerminalWhenItIsInterrupted)
    {
        for (const char* const moment : {"1/4 initdb", "terminated 0 ", "terminated hung"}) {
            TerminalProcess demo(onTerminal(), 80, 24);
            awaitText(demo, moment);
            demo.type("\x03");
            expectEnd(demo, 130);
            assertUsable(demo);
            assertLines(1, ".*interrupted; the database.*", demo.screen().text());
            assertLacks("outcome", demo.screen().text());
        }
    }

    TEST(drawsNothingOnADumbTerminal)
    {
        TerminalProcess demo(onTerminal("dumb"), 80, 24);
        expectEnd(demo, 0);
        assertLacks("\033", demo.output());
    }

    TEST(keepsAnInterruptionFromWhatStartsTheServer)
    {
        // Between its start and its own session it is where Ctrl-C reaches it. Not in sh, as
        // Debian's unblocks all signals.
        const fs::path begun = _output.path() / "begun";
        const fs::path slow = _output.write("setsid", "#!/bin/bash\n: > " + begun.string() +
                                                          "\nsleep 1\nexec /usr/bin/setsid \"$@\"\n");
        fs::permissions(slow, fs::perms::owner_all);
        const std::string inShell =
            "PATH=" + _output.path().string() + ":$PATH exec " + demoCommand + " --keep";
        ChildProcess demo(inDirectory({"sh", "-c", inShell}), _output.path() / "output");
        CPPUNIT_ASSERT_MESSAGE(_output.read("output"),
                               eventually(patience, [&] { return fs::exists(begun); }));
        // As Ctrl-C does: the signal goes to everything that the demo has started, too.
        kill(-demo.id(), SIGINT);
        const auto status = demo.waitUntilEnded(patience);
        const std::string output = _output.read("output");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, 130, status.value_or(-1));
        assertCount(1, "\ninterrupted; the database is removed\n", output);
        assertLacks("effect", output);
    }

    TEST(endsWhenNobodyReads)
    {
        const auto result =
            Sim::runCommand(inDirectory({"sh", "-c", std::string(demoCommand) + " | head --lines=2"}));
        assertCount(1, "PostgreSQL started in ", result.output);
    }

    static std::string lineAfter(const std::string& text, const std::string& before)
    {
        assertContains(before, text);
        const auto begin = text.find(before) + before.size();
        return text.substr(begin, text.find('\n', begin) - begin);
    }

    /// Far more than a demo takes, even on a machine with much else to do.
    static constexpr std::chrono::seconds patience{60};

    /// With the cursor at the start of the last line.
    static constexpr const char* endOfBlock = "\033[J\r";

    static constexpr const char* demoCommand = SIMULATOR " --demo";

    TemporaryDirectory _directory;
    TemporaryDirectory _output;
};

} // namespace HangDetection::Test
