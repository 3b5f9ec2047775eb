#pragma once

#include <cppunit/TestCaller.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <functional>
#include <vector>

// CppUnit's own macros take a list of the tests besides the tests. With these there is no list, and so no
// test that is missing in it:
//
//     class NamesTest : public DatabaseFixture
//     {
//         TEST_SUITE(NamesTest);
//
//         TEST(namesWhatThereIs)
//         {

namespace HangDetection::Test {

template <typename Fixture>
class Tests
/// Those of a suite. They are registered before main begins.
{
public:
    using Context = CppUnit::TestSuiteBuilderContext<Fixture>;

    static void add(const char* name, void (Fixture::*test)())
    {
        all().emplace_back([name, test](Context& context) {
            context.addTest(
                new CppUnit::TestCaller<Fixture>(context.getTestNameFor(name), test, context.makeFixture()));
        });
    }

    template <typename Row>
    static void add(const std::vector<Row>& rows, void (Fixture::*test)(const Row&))
    {
        for (const Row& row : rows) {
            all().emplace_back([row, test](Context& context) {
                Fixture* const fixture = context.makeFixture();
                context.addTest(new CppUnit::TestCaller<Fixture>(
                    context.getTestNameFor(row.fault + row.variant),
                    [fixture, row, test] { (fixture->*test)(row); }, fixture));
            });
        }
    }

    static void addTo(Context& context)
    {
        for (const auto& add : all())
            add(context);
    }

private:
    static std::vector<std::function<void(Context&)>>& all()
    {
        static const CppUnit::AutoRegisterSuite<Fixture> suite;
        static std::vector<std::function<void(Context&)>> tests;
        return tests;
    }
};

} // namespace HangDetection::Test

#define TEST_SUITE(Fixture)                                                                                  \
    CPPUNIT_TEST_SUITE(Fixture);                                                                             \
    CPPUNIT_TEST_SUITE_ADD_CUSTOM_TESTS(Tests<Fixture>::addTo);                                              \
    CPPUNIT_TEST_SUITE_END()
/// Comes before the tests.

#define REGISTERED_TEST(test, what)                                                                          \
    struct Registration_##test                                                                               \
    {                                                                                                        \
        Registration_##test() noexcept { Tests<TestFixtureType>::add(what, &TestFixtureType::test); }        \
    };                                                                                                       \
    inline static const Registration_##test registration_##test;                                             \
    void test

#define TEST(test) REGISTERED_TEST(test, #test)()

#define TEST_FOR_EACH(rows, test) REGISTERED_TEST(test, rows)
/// A test for each row, with a fixture of its own: TEST_FOR_EACH(rows(), bears)(const Row& row). It is
/// called as the row's fault and variant.
