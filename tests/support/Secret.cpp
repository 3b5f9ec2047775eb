#include "Secret.h"

#include <Poco/String.h>
#include <cppunit/TestAssert.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

std::string textOf(const fs::path& file)
{
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace

void Secret::assertNotIn(const std::string& text)
{
    for (const char* const end : {"xyzzy8", "plugh9"})
        CPPUNIT_ASSERT_MESSAGE("a password was told: " + text,
                               Poco::toLower(text).find(end) == std::string::npos);
}

std::string seenOf(pid_t process)
{
    const fs::path directory = "/proc/" + std::to_string(process);
    std::string seen = textOf(directory / "cmdline") + '\n' + textOf(directory / "environ") + '\n' +
                       textOf(directory / "comm");
    for (const auto& thread : fs::directory_iterator(directory / "task"))
        seen += textOf(thread.path() / "comm");
    return seen;
}

} // namespace HangDetection::Test
