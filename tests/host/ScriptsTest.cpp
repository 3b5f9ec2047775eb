// What the scripts of the project, and bash for the simulator, do for people at a terminal.

#include "Command.h"
#include "Suite.h"
#include "Texts.h"

#include <filesystem>

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
              "tests/benchmark/run", "tests/on", "tests/run"}) {
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
};

} // namespace HangDetection::Test
