#include "notification/LogLine.h"
#include "Suite.h"

namespace HangDetection::Test {

class LogLineTest : public CppUnit::TestFixture
{
    TEST_SUITE(LogLineTest);

    static void expect(const std::string& expected, std::string_view value)
    {
        CPPUNIT_ASSERT_EQUAL("event key=" + expected, LogLine("event").add("key", value).text());
    }

    TEST(writesKeysAndValues)
    {
        CPPUNIT_ASSERT_EQUAL(
            std::string("job terminated job_id=abc silent_s=301 rest=-1"),
            LogLine("job terminated").add("job_id", "abc").add("silent_s", 301).add("rest", -1).text());
    }

    TEST(quotesWhatHasBlanks)
    {
        expect("\"Starting workspace\"", "Starting workspace");
        expect("\"\"", "");
        expect("\"a=b\"", "a=b");
    }

    TEST(escapesQuotesAndBackslashes) { expect(R"("a\"b\\c")", R"(a"b\c)"); }

    TEST(escapesControlCharacters)
    {
        expect(R"("a\nb\tc\x1b[0m\x0d\x7f")", "a\nb\tc\x1b[0m\r\x7f");
        expect(R"("a\x00b")", std::string_view("a\0b", 3));
        // A terminal may take U+009B for the start of an escape sequence.
        expect(R"("\xc2\x9b")", "\xc2\x9b");
    }

    TEST(escapesOfUnicodeLineEndsAndTurnsOnly)
    {
        expect(R"("a\xe2\x80\xa8b\xe2\x80\xa9")", "a\u2028b\u2029");
        expect(R"("\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f")", "\u061c\u200e\u200f");
        expect(R"("\xe2\x80\xaeb\xe2\x81\xa9")", "\u202eb\u2069");
        expect("\"\u2027\u202f\u2065\u206a\"", "\u2027\u202f\u2065\u206a");
        // Other languages stay as they are.
        expect("\"Größe 大小 😀\"", "Größe 大小 😀");
    }

    TEST(escapesBytesThatAreNoText)
    {
        expect(R"("a\xff-")", "a\xff-");
        expect(R"("\xe5\xa4")", "\xe5\xa4");
        expect(R"("\xc0\xaf")", "\xc0\xaf");
        // A character that goes on behind the end of the text.
        expect(R"("\xe5\xa4")", std::string_view("\xe5\xa4\xa7", 2));
    }

    TEST(escapesAWholeLine)
    {
        // A setting that is quoted in a refusal. What is escaped already stays.
        CPPUNIT_ASSERT_EQUAL(std::string(R"(Interval: '5\xe2\x80\xae\xc2\x9b\x1b' "a\"b\\c" größer)"),
                             escaped("Interval: '5\u202e\xc2\x9b\x1b' \"a\\\"b\\\\c\" größer"));
        const std::string line = LogLine("event").add("key", "a\"\\\n\u2028\xff").text();
        CPPUNIT_ASSERT_EQUAL(line, escaped(line));
    }

    TEST(cutsALongValue)
    {
        const auto textOf = [](const std::string& start, const std::string& character, std::size_t count) {
            std::string text = start;
            for (std::size_t i = 0; i < count; ++i)
                text += character;
            return text;
        };
        expect(textOf("", "x", 1024), textOf("", "x", 1024));
        expect(textOf("", "x", 1016) + "...[cut]", textOf("", "x", 1025));
        expect(textOf("", "x", 1016) + "...[cut]", textOf("", "x", 10'000'000));
        // The most that a value can take in the log.
        expect('"' + textOf("", R"(\x01)", 1016) + "...[cut]\"", textOf("", "\x01", 10'000'000));
        // A character is cut out as a whole.
        for (const std::string character : {"ö", "大", "😀"}) {
            for (std::size_t i = 0; i < character.size(); ++i) {
                const std::string start(i, 'x');
                expect('"' + textOf(start, character, (1016 - i) / character.size()) + "...[cut]\"",
                       textOf(start, character, 1000));
            }
        }
        const std::string cut = shortened(textOf("", "\xbf", 2000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1021}, cut.size());
        CPPUNIT_ASSERT_EQUAL(cut, shortened(cut));
    }

    TEST(cannotBeForged)
    {
        expect(R"("x\" job_id=1\njob_submit/hang_detector: job terminated")",
               "x\" job_id=1\njob_submit/hang_detector: job terminated");
    }
};

} // namespace HangDetection::Test
