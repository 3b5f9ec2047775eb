// What the scripts of the project, and bash for the simulator, do for people at a terminal.

#include "Suite.h"
#include "TemporaryDirectory.h"
#include "TerminalProcess.h"
#include "Texts.h"

namespace HangDetection::Test {

namespace fs = std::filesystem;

class ScriptsTest : public CppUnit::TestFixture
{
    TEST_SUITE(ScriptsTest);

    TEST(printTheirUsage)
    /// And do nothing else, wherever they are called.
    {
        for (const std::string script :
             {"host-sim/run", "packaging/build", "packaging/install-dependencies", "packaging/package",
              "packaging/pictures/make", "tests/benchmark/run", "tests/lint", "tests/on", "tests/run",
              "tests/source-slurm"}) {
            const fs::path path = fs::path(PROJECT_SOURCE_DIR) / script;
            for (const std::string option : {"-h", "--help"}) {
                const auto result = Sim::runCommand({"env", "--chdir=" + path.parent_path().string(),
                                                     "./" + path.filename().string(), option});
                CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
                assertContains("\nusage: " + script, result.output);
                for (const char* const code : {"#", "set -eu", "installing", "building"})
                    assertLacks(code, result.output);
            }
        }
    }

    std::string build(const std::string& command, int expected, const std::string& terminal = "xterm") const
    /// A project of three commands, of which this is the last one. What a terminal shows of it.
    {
        fs::create_directories(_directory.path() / "packaging/presets");
        for (const char* const file : {"build", "help-option", "presets/release.cmake"})
            fs::copy(fs::path(PROJECT_SOURCE_DIR) / "packaging" / file,
                     _directory.path() / "packaging" / file, fs::copy_options::overwrite_existing);
        _directory.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(small NONE)\n"
                                           "add_custom_target(a ALL true)\n"
                                           "add_custom_target(b ALL true)\n"
                                           "add_custom_target(c ALL " +
                                               command + ")\nadd_dependencies(c a b)\n");
        TerminalProcess process({"env", "-u", "NINJA_STATUS", "TERM=" + terminal,
                                 _directory.path() / "packaging/build", "small", "release"},
                                100, 24);
        const auto status = process.readToEnd(patience);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(process.output(), expected, status.value_or(-1));
        return process.screen().text();
    }

    TEST(buildsWithOneLineOfProgress)
    {
        const std::string onTerminal = build("true", 0);
        assertContains("configuring build/small\n", onTerminal);
        assertContains("\nbuilding build/small  3/3  ", onTerminal);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(onTerminal, std::size_t{1}, count(onTerminal, "\nbuilding"));
        CPPUNIT_ASSERT_EQUAL(std::string("building build/small; the first time takes some minutes\n\n"),
                             build("true", 0, "dumb"));
    }

    TEST(printsWhyABuildFailed)
    {
        for (const char* const terminal : {"xterm", "dumb"})
            assertContains("\nwhy it failed\n", build("echo why it failed && false", 1, terminal));
    }

    TEST(completeTheSimulatorsOptions)
    {
        _directory.write("demo.conf", "");
        TerminalProcess bash({"env", "--chdir=" + _directory.path().string(), "TERM=dumb",
                              "PATH=" + fs::path(SIMULATOR).parent_path().string() + ":/usr/bin:/bin", "bash",
                              "--norc", "--noprofile", "-i"},
                             200, 24);
        bash.type(". " PROJECT_SOURCE_DIR "/packaging/completion/hang-detector-sim\n");
        const auto assertCompletes = [&](const std::string& keys, const std::string& expected) {
            const std::string command = "hang-detector-sim ";
            bash.type(command + keys + '\t');
            const bool isCompleted = bash.readUntil(
                [&](const std::string& output) { return contains(command + expected, output); }, patience);
            CPPUNIT_ASSERT_MESSAGE(bash.output(), isCompleted);
            // An empty line.
            bash.type("\x15");
        };
        assertCompletes("--de", "--demo ");
        assertCompletes("--he", "--help ");
        assertCompletes("--demo --ke", "--demo --keep ");
        assertCompletes("--sl", "--slurm-conf=");
        assertCompletes("--slurm-conf=de", "--slurm-conf=demo.conf ");
        assertCompletes("--slurm-conf=" + _directory.path().string() + "/d",
                        "--slurm-conf=" + _directory.path().string() + "/demo.conf ");
    }

    /// Far more than any of it takes, even on a machine with much else to do.
    static constexpr std::chrono::seconds patience{60};

    TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
