// Runs the CppUnit tests of one program: all of them, or those that the arguments
// name ("TerminationTest" for a suite, "TerminationTest::keepsOwnState" for a test).
// Exit status 0 when every test passed, 1 otherwise, also when nothing was run.

#include "CurrentTest.h"
#include "data/Connection.h"

#include <cppunit/BriefTestProgressListener.h>
#include <cppunit/CompilerOutputter.h>
#include <cppunit/TestResult.h>
#include <cppunit/TestResultCollector.h>
#include <cppunit/TestRunner.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include <exception>
#include <iostream>

int main(int argc, char** argv)
{
    HangDetection::prepareDatabaseLibraries();

    CppUnit::TestRunner runner;
    runner.addTest(CppUnit::TestFactoryRegistry::getRegistry().makeTest());
    CppUnit::TestResult events;
    CppUnit::TestResultCollector result;
    CppUnit::BriefTestProgressListener progress;
    HangDetection::Test::CurrentTest currentTest;
    events.addListener(&result);
    events.addListener(&progress);
    events.addListener(&currentTest);

    std::vector<std::string> names(argv + 1, argv + argc);
    if (names.empty())
        names.emplace_back();
    try {
        for (const std::string& name : names)
            runner.run(events, name);
    } catch (const std::exception& exception) {
        std::cerr << exception.what() << '\n';
        return 1;
    }
    CppUnit::CompilerOutputter(&result, std::cerr).write();
    return result.wasSuccessful() && result.runTests() > 0 ? 0 : 1;
}
