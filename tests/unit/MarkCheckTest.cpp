#include "slurm/MarkCheck.h"

#include "slurm/SlurmRelease.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

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

class MarkCheckTest : public CppUnit::TestFixture
/// What the user is told of a bad mark.
{
    CPPUNIT_TEST_SUITE(MarkCheckTest);
    CPPUNIT_TEST(saysNothingOfAGoodMark);
    CPPUNIT_TEST(givesTheReason);
    CPPUNIT_TEST(addsALineToWhatAnotherPluginSaid);
    CPPUNIT_TEST(refusesWithoutAPlaceForTheReason);
    CPPUNIT_TEST(keepsTheMessageWithoutMemory);
    CPPUNIT_TEST(countsGoodMarks);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* junk = "provisioner_job=junk";
    static constexpr const char* reason =
        "provisioner_job=junk is not the id of a provisioner job; allowed in the comment: "
        "provisioner_job=UUID with the id of one provisioner job";

public:
    void tearDown() override { hasMemory = true; }

private:
    static void assertMessage(const std::string& expected, int expectedCode, const char* comment,
                              const char* before)
    {
        char* message = before == nullptr ? nullptr : strdup(before);
        const int code = checkMark(comment, &message);
        const std::unique_ptr<char, decltype(&std::free)> owner(message, &std::free);
        CPPUNIT_ASSERT_EQUAL(expectedCode, code);
        CPPUNIT_ASSERT_EQUAL(expected, std::string(message == nullptr ? "(null)" : message));
    }

    void saysNothingOfAGoodMark()
    {
        for (const char* const comment : {static_cast<const char*>(nullptr), "",
                                          "provisioner_job=744169b9-16e3-4443-b276-49d8a022c0ee"}) {
            assertMessage("(null)", 0, comment, nullptr);
            assertMessage("said before", 0, comment, "said before");
        }
    }

    void givesTheReason()
    {
        assertMessage(reason, EINVAL, junk, nullptr);
        assertMessage(reason, EINVAL, junk, "");
    }

    void addsALineToWhatAnotherPluginSaid()
    {
        assertMessage(std::string("said before\n") + reason, EINVAL, junk, "said before");
        assertMessage(std::string("said before\n") + reason, EINVAL, junk, "said before\n");
    }

    void refusesWithoutAPlaceForTheReason() { CPPUNIT_ASSERT_EQUAL(EINVAL, checkMark(junk)); }

    void keepsTheMessageWithoutMemory()
    {
        hasMemory = false;
        assertMessage("(null)", EINVAL, junk, nullptr);
        assertMessage("said before", EINVAL, junk, "said before");
    }

    void countsGoodMarks()
    {
        checkMark(nullptr); // the first comment counts
        const auto before = marksSeen();
        CPPUNIT_ASSERT(before > 0);
        checkMark(nullptr);
        checkMark("no mark");
        checkMark(junk);
        CPPUNIT_ASSERT_EQUAL(before, marksSeen());
        checkMark("team=a provisioner_job=744169b9-16e3-4443-b276-49d8a022c0ee");
        CPPUNIT_ASSERT_EQUAL(before + 1, marksSeen());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MarkCheckTest);

} // namespace HangDetection::Test
