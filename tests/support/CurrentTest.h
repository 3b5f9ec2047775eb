#pragma once

#include <Poco/String.h>
#include <cppunit/Test.h>
#include <cppunit/TestListener.h>

#include <string>

namespace HangDetection::Test {

class CurrentTest : public CppUnit::TestListener
/// Knows which test runs; a CppUnit fixture does not know its own.
{
public:
    void startTest(CppUnit::Test* test) override
    {
        _name = Poco::replace(test->getName(), std::string("HangDetection::Test::"), std::string());
    }

    static const std::string& name() { return _name; }
    /// Suite and test, such as "NamesTest::namesWhatThereIs".

private:
    inline static std::string _name;
};

} // namespace HangDetection::Test
