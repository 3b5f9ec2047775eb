#include "detection/AllocationMark.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

namespace HangDetection::Test {

class AllocationMarkTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(AllocationMarkTest);
    CPPUNIT_TEST(findsTheMark);
    CPPUNIT_TEST(findsItAmongOtherTokens);
    CPPUNIT_TEST(takesCapitals);
    CPPUNIT_TEST(findsNoneInOtherComments);
    CPPUNIT_TEST(refusesWhatIsNoUuid);
    CPPUNIT_TEST(quotesTheStartOfWhatIsLong);
    CPPUNIT_TEST(refusesTwoJobs);
    CPPUNIT_TEST(takesTheSameMarkTwice);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char* job = "11111111-2222-4333-8444-55555555abcd";

    static void expectMark(const std::string& comment)
    {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, std::string(job), markedJob(comment).value_or("none"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(comment, std::string(), markError(comment).value_or(""));
    }

    static void expectError(const std::string& comment, const std::string& error)
    {
        CPPUNIT_ASSERT_MESSAGE(comment, !markedJob(comment));
        CPPUNIT_ASSERT_EQUAL(error + "; allowed in the comment: provisioner_job=UUID with the id of one "
                                     "provisioner job",
                             markError(comment).value_or(""));
    }

    void findsTheMark() { expectMark(std::string("provisioner_job=") + job); }

    void findsItAmongOtherTokens()
    {
        const std::string mark = std::string("provisioner_job=") + job;
        for (const std::string& comment :
             std::vector<std::string>{"cost=12 " + mark, mark + ",team=a", "a;" + mark + ";b",
                                      "\t" + mark + "\n", ",, ;" + mark + " "})
            expectMark(comment);
    }

    void takesCapitals() { expectMark("provisioner_job=11111111-2222-4333-8444-55555555ABCD"); }

    void findsNoneInOtherComments()
    {
        for (const std::string& comment :
             std::vector<std::string>{"", " ", "provisioner_job", "my_provisioner_job=x", "Provisioner_Job=x",
                                      "job=11111111-2222-4333-8444-55555555abcd"}) {
            CPPUNIT_ASSERT_MESSAGE(comment, !markedJob(comment));
            CPPUNIT_ASSERT_MESSAGE(comment, !markError(comment));
        }
    }

    void refusesWhatIsNoUuid()
    {
        for (const std::string& value : std::vector<std::string>{
                 "", "junk", "11111111-2222-4333-8444-55555555abc", "11111111-2222-4333-8444-55555555abcde",
                 "11111111222243338444555555555abcdabc", "11111111-2222-4333-8444-55555555abcg",
                 "{11111111-2222-4333-8444-555555555555}", "=11111111-2222-4333-8444-55555555abcd"})
            expectError("provisioner_job=" + value,
                        "provisioner_job=" + value + " is not the id of a provisioner job");
        expectError(std::string("provisioner_job=") + job + " provisioner_job=zz",
                    "provisioner_job=zz is not the id of a provisioner job");
    }

    void quotesTheStartOfWhatIsLong()
    {
        expectError("provisioner_job=" + std::string(100000, 'x'),
                    "provisioner_job=" + std::string(60, 'x') + "... is not the id of a provisioner job");
    }

    void refusesTwoJobs()
    {
        expectError(std::string("provisioner_job=") + job +
                        ",provisioner_job=22222222-2222-4333-8444-55555555abcd",
                    "the comment names 2 provisioner jobs");
    }

    void takesTheSameMarkTwice()
    {
        expectMark(std::string("provisioner_job=") + job + " provisioner_job=" + job);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AllocationMarkTest);

} // namespace HangDetection::Test
