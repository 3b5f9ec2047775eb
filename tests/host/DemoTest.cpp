#include "ChildProcess.h"
#include "Command.h"
#include "Count.h"
#include "Eventually.h"
#include "TemporaryDirectory.h"
#include "TerminalProcess.h"
#include "TerminalScreen.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class DemoTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(DemoTest);
    CPPUNIT_TEST(showsEveryEffectAndRemovesEverything);
    CPPUNIT_TEST(keepsTheDatabaseOnRequest);
    CPPUNIT_TEST(drawsATableInPlaceOnATerminal);
    CPPUNIT_TEST(cutsTheTableToTheTerminal);
    CPPUNIT_TEST(keepsWhatIsTypedOutOfTheTable);
    CPPUNIT_TEST(leavesAUsableTerminalWhenItIsInterrupted);
    CPPUNIT_TEST(drawsNothingOnADumbTerminal);
    CPPUNIT_TEST(saysThatItWasInterruptedAndRemovesEverything);
    CPPUNIT_TEST(removesEverythingWhenItIsInterruptedAtTheStart);
    CPPUNIT_TEST(keepsAnInterruptionFromWhatStartsTheServer);
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
        const auto assertCount = [&](std::size_t expected, const std::string& part) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(part + " in " + result.output, expected, count(result.output, part));
        };
        assertCount(13, "\nterminated ");
        assertCount(13, "  notified {\"created_after\":");
        assertCount(13, "hang_detector: job terminated job_id=");
        assertCount(5, "\ncancelled Slurm job ");
        assertCount(5, "hang_detector: allocation released job_id=");
        assertCount(1, "\nleft alone ");
        assertCount(1,
                    "\nsbatch --comment=provisioner_job=junk: refused: provisioner_job=junk is not the id of "
                    "a provisioner job; allowed in the comment: provisioner_job=UUID");
        assertTable(linesOf(result.output));
        assertCount(1, "\nevery effect is there, after ");
        assertCount(0, "missing");
        assertCount(0, "error: ");
        const std::string seconds = lineAfter(result.output, "\nevery effect is there, after ");
        CPPUNIT_ASSERT_MESSAGE(seconds, std::stod(seconds) < 60);
        // No terminal: no escape sequences.
        assertCount(0, "\033");
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    static std::vector<std::string> linesOf(const std::string& output)
    {
        std::vector<std::string> lines;
        std::istringstream stream(output);
        for (std::string line; std::getline(stream, line);)
            lines.push_back(line);
        return lines;
    }

    static std::size_t countLines(const std::vector<std::string>& lines, const std::string& part)
    {
        return static_cast<std::size_t>(
            std::count_if(lines.begin(), lines.end(),
                          [&](const std::string& line) { return line.find(part) != std::string::npos; }));
    }

    static std::size_t countEnds(const std::vector<std::string>& lines, const std::string& end)
    {
        return static_cast<std::size_t>(std::count_if(
            lines.begin(), lines.end(), [&](const std::string& line) { return line.ends_with(end); }));
    }

    static bool isHeading(const std::string& line)
    {
        return line.starts_with("job  ") && line.ends_with("outcome");
    }

    static std::string joined(const std::vector<std::string>& lines)
    {
        std::string text;
        for (const std::string& line : lines)
            text += line + '\n';
        return text;
    }

    static void assertTable(const std::vector<std::string>& lines)
    /// It is there once, as it is at the end.
    {
        const auto assertLines = [&](std::ptrdiff_t expected, const std::string& pattern) {
            const std::regex regex("[0-9a-f]{8} +" + pattern + " *");
            CPPUNIT_ASSERT_EQUAL_MESSAGE(pattern + " in " + joined(lines), expected,
                                         std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
                                             return std::regex_match(line, regex);
                                         }));
        };
        CPPUNIT_ASSERT_EQUAL_MESSAGE(joined(lines), std::ptrdiff_t{1},
                                     std::count_if(lines.begin(), lines.end(), &isHeading));
        assertLines(12, ".*[0-9]+[mh] [0-9]{2}[sm] .* failed .* terminated hung");
        assertLines(1, "build +45m [0-9]{2}s +Unknown +failed +terminated pending");
        assertLines(1, "build .* Starting workspace +failed +[0-9]+,[0-9]+ cancelled +terminated hung");
        assertLines(3, ".* failed +[0-9]+ cancelled +terminated hung");
        assertLines(
            1, "build +10m [0-9]{2}s +Starting workspace +running +[0-9]+ suspended +left alone: suspended");
        assertLines(6, ".* +0m [0-9]{2}s .* +running .* +left alone: reports");
        assertLines(1, ".* running +[0-9]+ running +left alone: reports");
        assertLines(2, ".* running .* +left alone: under 5m");
        assertLines(1, ".* queued +left alone: queued");
        assertLines(1, ".* done +left alone: done");
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
        CPPUNIT_ASSERT_EQUAL_MESSAGE(answer.output, std::string("12\n"), answer.output);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(removed.output, 0, removed.exitStatus);
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    static TerminalScreen shown(const TerminalProcess& demo, std::size_t columns, std::size_t rows)
    {
        TerminalScreen screen(columns, rows);
        screen.write(demo.output());
        return screen;
    }

    static void assertUsable(const TerminalProcess& demo, const TerminalScreen& screen)
    {
        CPPUNIT_ASSERT_MESSAGE(joined(screen.lines()), screen.isCursorVisible());
        CPPUNIT_ASSERT_MESSAGE(joined(screen.lines()), demo.echoes());
        CPPUNIT_ASSERT_MESSAGE(joined(screen.lines()), !screen.isColoured());
    }

    Sim::CommandLine onTerminal(const std::string& terminal = "xterm") const
    {
        return inDirectory({"env", "TERM=" + terminal, SIMULATOR, "--demo"});
    }

    void drawsATableInPlaceOnATerminal()
    {
        constexpr unsigned short columns = 110;
        constexpr unsigned short rows = 40;
        TerminalProcess demo(onTerminal(), columns, rows);
        CPPUNIT_ASSERT(demo.readUntil(
            [](const std::string& output) { return output.find("terminated 0 ") != std::string::npos; },
            patience));
        CPPUNIT_ASSERT(
            demo.readUntil([](const std::string& output) { return output.ends_with(endOfBlock); }, patience));
        const TerminalScreen before = shown(demo, columns, rows);
        CPPUNIT_ASSERT_MESSAGE(joined(before.lines()), !before.isCursorVisible());
        // On a slow machine the last one is so far, too.
        CPPUNIT_ASSERT_MESSAGE(joined(before.lines()), countEnds(before.lines(), " hung") >= 12);

        const auto status = demo.readToEnd(patience);
        const std::string& output = demo.output();
        CPPUNIT_ASSERT_MESSAGE(output, status == 0);
        for (const char* const step : {"1/4 initdb", "2/4 start", "3/4 tables", "4/4 jobs"})
            CPPUNIT_ASSERT_EQUAL_MESSAGE(output, std::size_t{1}, count(output, step));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(output, std::size_t{1},
                                     count(output, "\033[32mevery effect is there, after "));
        // A handful for each second.
        CPPUNIT_ASSERT_MESSAGE(output, count(output, endOfBlock) > 10);
        const TerminalScreen after = shown(demo, columns, rows);
        assertTable(after.lines());
        assertUsable(demo, after);
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
    }

    void cutsTheTableToTheTerminal()
    {
        constexpr unsigned short columns = 60;
        constexpr unsigned short rows = 12;
        TerminalProcess demo(onTerminal(), columns, rows);
        const auto status = demo.readToEnd(patience);
        CPPUNIT_ASSERT_MESSAGE(demo.output(), status == 0);
        CPPUNIT_ASSERT_MESSAGE(demo.output(), count(demo.output(), "... and 15 more") > 10);
        const TerminalScreen screen = shown(demo, columns, rows);
        const std::vector<std::string>& lines = screen.lines();
        // What does not fit would be drawn again and again below itself.
        const auto isStart = [](const std::string& line) { return line.starts_with("job  "); };
        const auto heading = std::find_if(lines.begin(), lines.end(), isStart);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(joined(lines), std::ptrdiff_t{1},
                                     std::count_if(lines.begin(), lines.end(), isStart));
        const auto end = std::find_if(heading, lines.end(), [](const std::string& line) {
            return line.starts_with("every effect is there");
        });
        CPPUNIT_ASSERT_MESSAGE(joined(lines), end != lines.end() && end - heading > 30);
        for (auto line = heading; line != end; ++line)
            CPPUNIT_ASSERT_MESSAGE(*line, line->size() < columns);
        assertUsable(demo, screen);
    }

    void keepsWhatIsTypedOutOfTheTable()
    {
        // Only what a shell can continue does Ctrl-Z stop.
        const std::string inShell = "TERM=xterm " + std::string(SIMULATOR) + " --demo; exit $?";
        TerminalProcess demo(inDirectory({"sh", "-mc", inShell}), 80, 40);
        CPPUNIT_ASSERT(demo.readUntil(
            [](const std::string& output) { return output.find("terminated 0 ") != std::string::npos; },
            patience));
        demo.type("\x02\n\x1a");
        const auto status = demo.readToEnd(patience);
        CPPUNIT_ASSERT_MESSAGE(demo.output(), status == 0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(demo.output(), std::size_t{0}, count(demo.output(), "^B"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(demo.output(), std::size_t{1},
                                     count(demo.output(), "every effect is there"));
    }

    void leavesAUsableTerminalWhenItIsInterrupted()
    {
        constexpr unsigned short columns = 80;
        constexpr unsigned short rows = 24;
        for (const std::string moment : {"1/4 initdb", "terminated 0 ", "terminated hung"}) {
            TerminalProcess demo(onTerminal(), columns, rows);
            CPPUNIT_ASSERT_MESSAGE(demo.output(), demo.readUntil(
                                                      [&](const std::string& output) {
                                                          return output.find(moment) != std::string::npos;
                                                      },
                                                      patience));
            demo.type("\x03");
            const auto status = demo.readToEnd(patience);
            CPPUNIT_ASSERT_MESSAGE(demo.output(), status == 130);
            const TerminalScreen screen = shown(demo, columns, rows);
            assertUsable(demo, screen);
            CPPUNIT_ASSERT_MESSAGE(joined(screen.lines()),
                                   countLines(screen.lines(), "interrupted; the database") == 1);
            CPPUNIT_ASSERT_MESSAGE(joined(screen.lines()), countLines(screen.lines(), "outcome") == 0);
            CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
        }
    }

    void drawsNothingOnADumbTerminal()
    {
        TerminalProcess demo(onTerminal("dumb"), 80, 24);
        const auto status = demo.readToEnd(patience);
        CPPUNIT_ASSERT_MESSAGE(demo.output(), status == 0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(demo.output(), std::size_t{0}, count(demo.output(), "\033"));
    }

    void assertInterruptedWhen(const std::function<bool()>& condition,
                               const Sim::CommandLine& command = {SIMULATOR, "--demo", "--keep"})
    {
        ChildProcess demo(inDirectory(command), _output.path() / "output");
        if (!eventually(patience, condition))
            CPPUNIT_FAIL(_output.read("output"));
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
            [this] { return _output.read("output").find("\nrunning 21  hung 1") != std::string::npos; });
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

    void keepsAnInterruptionFromWhatStartsTheServer()
    {
        // Between its start and its own session it is where Ctrl-C reaches it. Not in sh, as
        // Debian's unblocks all signals.
        const fs::path begun = _output.path() / "begun";
        const std::string script =
            "#!/bin/bash\n: > " + begun.string() + "\nsleep 1\nexec /usr/bin/setsid \"$@\"\n";
        const fs::path slow = _output.write("setsid", script);
        fs::permissions(slow, fs::perms::owner_all);
        const std::string inShell =
            "PATH=" + _output.path().string() + ":$PATH exec " + demoCommand + " --keep";
        assertInterruptedWhen([&] { return fs::exists(begun); }, {"sh", "-c", inShell});
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

    /// With the cursor at the start of the last line.
    static constexpr const char* endOfBlock = "\033[J\r";

    static constexpr const char* demoCommand = SIMULATOR " --demo";

    TemporaryDirectory _directory;
    TemporaryDirectory _output;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DemoTest);

} // namespace HangDetection::Test
