// Any text as a value of a line of the log: the line stays one line, and holds the keys
// and values that were put in, byte by byte up to their limit, and no other.

#include "Fuzzing.h"
#include "LogRecord.h"
#include "notification/LogLine.h"

namespace HangDetection::Test {

void fuzz(std::string_view input)
{
    LogLine line("job terminated");
    LogRecord expected{"job terminated", {}};
    for (const std::string& value : partsOf(input, '|')) {
        expected.pairs.emplace_back("key_" + std::to_string(expected.pairs.size()), shortened(value));
        line.add(expected.pairs.back().first, value);
    }
    expected.pairs.emplace_back("whole", shortened(input));
    line.add("whole", input);
    expected.pairs.emplace_back("size", std::to_string(input.size()));
    line.add("size", input.size());

    require(isOneLineOfText(line.text()), "a line is one line of text");
    require(LogRecord::read(line.text()) == expected, "a line holds what was put in");
}

} // namespace HangDetection::Test
