#include "slurm/SlurmRelease.h"
#include "Suite.h"

namespace HangDetection::Test {

namespace {

struct JobOf2205
{
    std::uint32_t job_id = 0;
};

struct StepOf2605
{
    std::uint64_t sluid = 0;
    std::uint32_t job_id = 0;
    std::uint32_t step_het_comp = 0;
    std::uint32_t step_id = 0;
};

struct JobOf2511
{
    StepOf2605 step_id;
};

} // namespace

class SlurmReleaseTest : public CppUnit::TestFixture
/// The forms that Slurm's records have in other releases than the one that is installed.
{
    TEST_SUITE(SlurmReleaseTest);

    TEST(findsTheNumberOfAJob)
    {
        JobOf2205 early;
        jobNumber(early) = 7;
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{7}, early.job_id);
        JobOf2511 late;
        jobNumber(late) = 7;
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{7}, late.step_id.job_id);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, late.step_id.step_id);
    }

    TEST(asksForAJob)
    {
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{7}, slurmJobId<std::uint32_t>(7)); // up to 25.11
        const auto job = slurmJobId<StepOf2605>(7);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{7}, job.job_id);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{NO_VAL}, job.step_id);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{NO_VAL}, job.step_het_comp);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, job.sluid);
    }
};

} // namespace HangDetection::Test
