#pragma once

#include <cppunit/TestCaller.h>
#include <cppunit/extensions/TestSuiteBuilderContext.h>

#include <vector>

namespace HangDetection::Test {

template <typename Fixture, typename Row>
void addRowTests(CppUnit::TestSuiteBuilderContext<Fixture>& context, void (Fixture::*test)(const Row&),
                 const std::vector<Row>& rows)
/// For CPPUNIT_TEST_SUITE_ADD_CUSTOM_TESTS: a test of the suite for each row, with a fixture of its own.
/// It is called as the row's fault and variant.
{
    for (const Row& row : rows) {
        Fixture* const fixture = context.makeFixture();
        context.addTest(new CppUnit::TestCaller<Fixture>(
            context.getTestNameFor(row.fault + row.variant), [fixture, test, row] { (fixture->*test)(row); },
            fixture));
    }
}

} // namespace HangDetection::Test
