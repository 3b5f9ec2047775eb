#include "data/AdvisoryLock.h"
#include "Suite.h"

namespace HangDetection::Test {

class AdvisoryLockTest : public CppUnit::TestFixture
{
    TEST_SUITE(AdvisoryLockTest);

    TEST(isTheKeyThatCoderServersTake)
    {
        CPPUNIT_ASSERT_EQUAL(std::int64_t{509283773319797274},
                             advisoryLockKey("00000000-0000-0000-0000-000000000000"));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{-5151004368403232505},
                             advisoryLockKey("11111111-2222-4333-8444-555555555555"));
    }
};

} // namespace HangDetection::Test
