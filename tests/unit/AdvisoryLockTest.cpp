#include "data/AdvisoryLock.h"

#include <cppunit/extensions/HelperMacros.h>

namespace HangDetection::Test {

class AdvisoryLockTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(AdvisoryLockTest);
    CPPUNIT_TEST(isTheKeyThatCoderServersTake);
    CPPUNIT_TEST_SUITE_END();

    void isTheKeyThatCoderServersTake()
    {
        CPPUNIT_ASSERT_EQUAL(std::int64_t{509283773319797274},
                             advisoryLockKey("00000000-0000-0000-0000-000000000000"));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{-5151004368403232505},
                             advisoryLockKey("11111111-2222-4333-8444-555555555555"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AdvisoryLockTest);

} // namespace HangDetection::Test
