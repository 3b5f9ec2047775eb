#include "slurm/JobMark.h"

#include "Suite.h"
#include "slurm/SlurmRelease.h"

#include <cstdlib>
#include <cstring>
#include <memory>

namespace {

bool hasMemory = true;

} // namespace

extern "C" void* slurm_xrecalloc(void** memory, std::size_t count, std::size_t size, bool, bool, const char*,
                                 int, const char*)
{
    void* const larger = hasMemory ? std::realloc(*memory, count * size) : nullptr;
    if (larger != nullptr)
        *memory = larger;
    return larger;
}

namespace HangDetection::Test {

class JobMarkTest : public CppUnit::TestFixture
{
    TEST_SUITE(JobMarkTest);

    static constexpr const char* junk = "provisioner_job=junk";
    static constexpr const char* reason =
        "provisioner_job=junk is not the id of a provisioner job; allowed in the comment is one of "
        "provisioner_job=UUID with the id of a provisioner job, and provisioner_daemon=NAME with the name of "
        "a "
        "provisioner daemon, up to 64 characters";

public:
    void tearDown() override { hasMemory = true; }

private:
    static void assertMessage(const std::string& expected, bool isAllowed, const char* comment,
                              const char* before)
    {
        char* message = before == nullptr ? nullptr : strdup(before);
        const bool wasAllowed = isMarkAllowed(comment, &message);
        const std::unique_ptr<char, decltype(&std::free)> owner(message, &std::free);
        CPPUNIT_ASSERT_EQUAL(isAllowed, wasAllowed);
        CPPUNIT_ASSERT_EQUAL(expected, std::string(message == nullptr ? "(null)" : message));
    }

    TEST(findsTheMark)
    {
        const std::string job = "11111111-2222-4333-8444-55555555abcd";
        const std::string mark = "provisioner_job=" + job;
        for (const std::string& comment :
             {mark, "cost=12 " + mark, mark + ",team=a", "a;" + mark + ";b", "\t" + mark + "\n",
              ",, ;" + mark + " ", mark + ' ' + mark, "Provisioner_JOB=" + job, '"' + mark + '"',
              "'" + mark + "' a", "provisioner_job=\"" + job + "\"", "\"provisioner_job='" + job + "'\"",
              std::string("provisioner_job=11111111-2222-4333-8444-55555555ABCD")}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, job, markOf(comment).value_or(Mark{.text = "none"}).text);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, std::string(), markError(comment).value_or(""));
        }
    }

    TEST(findsTheNameOfADaemon)
    {
        // Sixty-four characters of more than one byte.
        std::string longest;
        for (int i = 0; i < 64; ++i)
            longest += "\xe6\x97\xa5";
        for (const std::string& name : {std::string("a"), std::string("node-7_\"quoted\"'$(x)\\"), longest}) {
            const Mark expected{Mark::Kind::daemon, name};
            const std::string mark = "provisioner_daemon=" + name;
            for (const std::string& comment :
                 {mark, "a," + mark + ";b", mark + ' ' + mark, "PROVISIONER_daemon=" + name,
                  "provisioner_daemon='" + name + "'", '"' + mark + '"'}) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, std::string(), markError(comment).value_or(""));
                CPPUNIT_ASSERT_MESSAGE(comment, markOf(comment) == expected);
            }
        }
        for (const std::string& name : {std::string(), longest + 'x', std::string("\x7f")})
            expectError("provisioner_daemon=" + name, "provisioner_daemon=" + name.substr(0, 60) +
                                                          (name.size() > 60 ? "..." : "") +
                                                          " is not the name of a provisioner daemon");
        for (const std::string other :
             {"provisioner_daemon=A", "provisioner_job=11111111-2222-4333-8444-55555555abcd"})
            expectError("provisioner_daemon=a " + other,
                        "the comment names more than one provisioner job or daemon");
    }

    TEST(findsNoneInOtherComments)
    {
        for (const char* const comment :
             {"", " ", "provisioner_job", "my_provisioner_job=x", "provisioner_jobs=x", "=x", "a = b",
              "job=11111111-2222-4333-8444-55555555abcd"}) {
            CPPUNIT_ASSERT_MESSAGE(comment, !markOf(comment));
            CPPUNIT_ASSERT_MESSAGE(comment, !markError(comment));
        }
    }

    TEST(refusesWhatIsHalfAMark)
    {
        const std::string odd =
            " has to be a word of its own, without blanks around the = or quotes before it";
        const std::string id = "11111111-2222-4333-8444-55555555abcd";
        for (const std::string key : {"provisioner_job", "provisioner_daemon"}) {
            for (const char* const sign :
                 {" =", "= ", "  =  ", "\t=", "=\n", "\"=", "' =", " \xc2\xa0=", "=\xc2\xa0"})
                expectError(key + sign + id, key + odd);
            for (const char* const before : {"(", "team:", "a=", "|"})
                expectError(before + key + '=' + id, key + odd);
        }
        for (const std::string& value :
             {std::string("\"my builder\""), std::string("b1\""), std::string("'")})
            expectError("provisioner_daemon=" + value,
                        "provisioner_daemon=" + value.substr(0, value.find(' ')) +
                            " is not the name of a provisioner daemon");
    }

    static void expectError(const std::string& comment, const std::string& error)
    {
        CPPUNIT_ASSERT_MESSAGE(comment, !markOf(comment));
        CPPUNIT_ASSERT_EQUAL(error + std::string(reason).substr(std::string(reason).find(';')),
                             markError(comment).value_or(""));
    }

    TEST(refusesWhatIsNoMark)
    {
        const std::string mark = "provisioner_job=11111111-2222-4333-8444-55555555abcd";
        for (const std::string value :
             {"", "junk", "11111111-2222-4333-8444-55555555abc", "11111111-2222-4333-8444-55555555abcde",
              "11111111222243338444555555555abcdabc", "11111111-2222-4333-8444-55555555abcg",
              "{11111111-2222-4333-8444-555555555555}", "=11111111-2222-4333-8444-55555555abcd"}) {
            const std::string error = "provisioner_job=" + value + " is not the id of a provisioner job";
            expectError("provisioner_job=" + value, error);
            expectError(mark + " provisioner_job=" + value, error);
        }
        expectError("provisioner_job=" + std::string(100000, 'x'),
                    "provisioner_job=" + std::string(60, 'x') + "... is not the id of a provisioner job");
        expectError(mark + ",provisioner_job=22222222-2222-4333-8444-55555555abcd",
                    "the comment names more than one provisioner job or daemon");
    }

    TEST(readsNoMoreThanSlurmTakes)
    /// A submission may be larger than the memory of the controller: what it costs has an end.
    {
        const std::string mark = "provisioner_job=11111111-2222-4333-8444-55555555abcd";
        const auto behind = [&](std::size_t bytes) { return std::string(bytes, ' ') + mark; };
        CPPUNIT_ASSERT(markOf(behind(1024 - mark.size())));
        CPPUNIT_ASSERT(!markOf(behind(1024)));
        CPPUNIT_ASSERT(!markError(behind(1024) + "junk"));
        // Not even its length is asked for: the text has no end.
        const std::string endless(1024, ' ');
        const std::unique_ptr<char[]> copy(new char[endless.size()]);
        endless.copy(copy.get(), endless.size());
        CPPUNIT_ASSERT(isMarkAllowed(copy.get()));
    }

    TEST(saysNothingOfAGoodMark)
    {
        for (const char* const comment : {static_cast<const char*>(nullptr), "",
                                          "provisioner_job=744169b9-16e3-4443-b276-49d8a022c0ee"}) {
            assertMessage("(null)", true, comment, nullptr);
            assertMessage("said before", true, comment, "said before");
        }
    }

    TEST(givesTheReasonWhereItCan)
    {
        assertMessage(reason, false, junk, nullptr);
        assertMessage(reason, false, junk, "");
        // Below what another plugin said.
        assertMessage(std::string("said before\n") + reason, false, junk, "said before");
        assertMessage(std::string("said before\n") + reason, false, junk, "said before\n");
        // Without a place for it, or without memory, the job is refused all the same.
        CPPUNIT_ASSERT(!isMarkAllowed(junk));
        hasMemory = false;
        assertMessage("(null)", false, junk, nullptr);
        assertMessage("said before", false, junk, "said before");
    }

    TEST(countsGoodMarks)
    {
        isMarkAllowed(nullptr); // the first comment counts
        const auto before = marksSeen();
        CPPUNIT_ASSERT(before > 0);
        isMarkAllowed(nullptr);
        isMarkAllowed("no mark");
        isMarkAllowed(junk);
        CPPUNIT_ASSERT_EQUAL(before, marksSeen());
        isMarkAllowed("team=a provisioner_job=744169b9-16e3-4443-b276-49d8a022c0ee");
        CPPUNIT_ASSERT_EQUAL(before + 1, marksSeen());
    }
};

} // namespace HangDetection::Test
