#pragma once

#include <cppunit/Exception.h>
#include <cppunit/TestAssert.h>

#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace HangDetection::Test {

template <typename Row>
void forEachRow(const std::vector<Row>& rows, const std::function<void(const Row&)>& check)
/// The rows of a table of tests. A failure says which row failed, by its member `name`.
{
    for (const Row& row : rows) {
        try {
            check(row);
        } catch (CppUnit::Exception& failure) {
            CppUnit::Message message = failure.message();
            message.addDetail(std::string("Row: ") + row.name);
            failure.setMessage(message);
            throw;
        } catch (const std::exception& exception) {
            CPPUNIT_FAIL(std::string(row.name) + ": " + exception.what());
        }
    }
}

} // namespace HangDetection::Test
