#pragma once

#include <cppunit/Exception.h>
#include <cppunit/TestAssert.h>

#include <exception>
#include <string>
#include <vector>

namespace HangDetection::Test {

template <typename Row, typename Check>
void forEachRow(const std::vector<Row>& rows, Check check)
/// For tests that go through a table. Each row has a name, which a failure names.
{
    for (const Row& row : rows) {
        try {
            check(row);
        } catch (CppUnit::Exception& failure) {
            CppUnit::Message message = failure.message();
            message.addDetail(std::string("row: ") + row.name);
            failure.setMessage(message);
            throw;
        } catch (const std::exception& exception) {
            CPPUNIT_FAIL(std::string("row: ") + row.name + ": " + exception.what());
        }
    }
}

} // namespace HangDetection::Test
