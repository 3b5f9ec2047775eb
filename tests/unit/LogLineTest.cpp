#include "notification/LogLine.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace HangDetection::Test {

class LogLineTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(LogLineTest);
    CPPUNIT_TEST(writesKeysAndValues);
    CPPUNIT_TEST(quotesWhatHasBlanks);
    CPPUNIT_TEST(escapesQuotesAndBackslashes);
    CPPUNIT_TEST(escapesControlCharacters);
    CPPUNIT_TEST(escapesLineEndsAndTurnsOfUnicode);
    CPPUNIT_TEST(keepsOtherLanguages);
    CPPUNIT_TEST(escapesBytesThatAreNoText);
    CPPUNIT_TEST(cannotBeForged);
    CPPUNIT_TEST_SUITE_END();

    static std::string valueOf(std::string_view value) { return LogLine("event").add("key", value).text(); }

    void writesKeysAndValues()
    {
        CPPUNIT_ASSERT_EQUAL(
            std::string("job terminated job_id=abc silent_s=301 rest=-1"),
            LogLine("job terminated").add("job_id", "abc").add("silent_s", 301).add("rest", -1).text());
    }

    void quotesWhatHasBlanks()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("event key=\"Starting workspace\""), valueOf("Starting workspace"));
        CPPUNIT_ASSERT_EQUAL(std::string("event key=\"\""), valueOf(""));
        CPPUNIT_ASSERT_EQUAL(std::string("event key=\"a=b\""), valueOf("a=b"));
    }

    void escapesQuotesAndBackslashes()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\"b")"), valueOf(R"(a"b)"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="b\\c")"), valueOf(R"(b\c)"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\"b\\c")"), valueOf(R"(a"b\c)"));
    }

    void escapesControlCharacters()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\nb\tc\x1b[0m\x0d\x7f")"),
                             valueOf("a\nb\tc\x1b[0m\r\x7f"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\x00b")"), valueOf(std::string_view("a\0b", 3)));
        // A terminal may take U+009B for the start of an escape sequence.
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="\xc2\x9b")"), valueOf("\xc2\x9b"));
    }

    void escapesLineEndsAndTurnsOfUnicode()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\xe2\x80\xa8b\xe2\x80\xa9")"),
                             valueOf("a\u2028b\u2029"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="\xe2\x80\xaeb\xe2\x81\xa9")"),
                             valueOf("\u202eb\u2069"));
        CPPUNIT_ASSERT_EQUAL(std::string("event key=\"\u2027\u202f\u2065\u206a\""),
                             valueOf("\u2027\u202f\u2065\u206a"));
    }

    void keepsOtherLanguages()
    {
        CPPUNIT_ASSERT_EQUAL(std::string("event key=\"Größe 大小 😀\""), valueOf("Größe 大小 😀"));
    }

    void escapesBytesThatAreNoText()
    {
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="a\xffb")"), valueOf("a\xff"
                                                                           "b"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="\xe5\xa4")"), valueOf("\xe5\xa4"));
        // A character that goes on behind the end of the text.
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="\xe5\xa4")"),
                             valueOf(std::string_view("\xe5\xa4\xa7", 2)));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event key="\xc0\xaf")"), valueOf("\xc0\xaf"));
    }

    void cannotBeForged()
    {
        CPPUNIT_ASSERT_EQUAL(
            std::string(R"(event key="x\" job_id=1\njob_submit/hang_detector: job terminated")"),
            valueOf("x\" job_id=1\njob_submit/hang_detector: job terminated"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogLineTest);

} // namespace HangDetection::Test
