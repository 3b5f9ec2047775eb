#include "Secret.h"

#include "ProcessState.h"

#include <Poco/String.h>
#include <cppunit/TestAssert.h>

#include <fstream>
#include <iterator>

namespace HangDetection::Test {

void Secret::assertNotIn(const std::string& text)
{
    constexpr std::size_t around = 200;
    for (const char* const end : {"xyzzy8", "plugh9"}) {
        const auto at = Poco::toLower(text).find(end);
        if (at != std::string::npos)
            CPPUNIT_FAIL("a password is shown: " + text.substr(at < around ? 0 : at - around, 2 * around));
    }
}

std::string seenOf(pid_t process)
{
    std::string seen;
    for (const char* const name : {"/cmdline", "/environ"}) {
        std::ifstream file("/proc/" + std::to_string(process) + name, std::ios::binary);
        seen.append(std::istreambuf_iterator<char>(file), {});
    }
    for (const std::string& name : threadsOf(process))
        seen += name + '\n';
    return seen;
}

} // namespace HangDetection::Test
