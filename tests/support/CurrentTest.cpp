#include "CurrentTest.h"

#include <cppunit/Test.h>

namespace HangDetection::Test {

namespace {

std::string& current()
{
    static std::string name;
    return name;
}

} // namespace

void CurrentTest::startTest(CppUnit::Test* test)
{
    const std::string full = test->getName();
    const auto beforeTest = full.rfind("::");
    const auto beforeSuite = beforeTest == std::string::npos || beforeTest == 0
                                 ? std::string::npos
                                 : full.rfind("::", beforeTest - 1);
    current() = beforeSuite == std::string::npos ? full : full.substr(beforeSuite + 2);
}

const std::string& CurrentTest::name()
{
    return current();
}

} // namespace HangDetection::Test
