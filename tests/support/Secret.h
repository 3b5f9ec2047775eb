#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

namespace HangDetection::Test {

class Secret
/// A password, to look whether it is shown anywhere: whole, or one of the two ends that it
/// keeps however it is quoted, encoded or cut.
{
public:
    static constexpr const char* plain = R"(Xyzzy8 '\/:@#?%&=Plugh9)";
    static constexpr const char* quoted = R"('Xyzzy8 \'\\/:@#?%&=Plugh9')";
    /// As a value of a connection string.
    static constexpr const char* encoded = "Xyzzy8%20%27%5C%2F%3A%40%23%3F%25%26%3DPlugh9";
    /// As a part of a URI.

    static void assertNotIn(const std::string& text);
    /// Fails when the text holds an end of the password, and shows what is around it.
};

std::string seenOf(pid_t process);
/// What others see of a process in /proc: its command line, its environment, and the
/// names of its threads.

} // namespace HangDetection::Test
