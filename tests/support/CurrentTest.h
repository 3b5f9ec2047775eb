#pragma once

#include <cppunit/TestListener.h>

#include <string>

namespace HangDetection::Test {

class CurrentTest : public CppUnit::TestListener
/// Knows which test runs; a CppUnit fixture is not told its own test.
{
public:
    void startTest(CppUnit::Test* test) override;

    static const std::string& name();
    /// Suite and test without a namespace, such as "SearchTest::findsNothing".
};

} // namespace HangDetection::Test
