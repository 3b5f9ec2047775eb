#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

namespace HangDetection::Test {

class ChangedVariable
/// A variable of this process's environment has another value, as long as the object lives.
{
public:
    ChangedVariable(std::string name, const std::string& value) : _name(std::move(name))
    {
        if (const char* const before = getenv(_name.c_str()))
            _before = before;
        setenv(_name.c_str(), value.c_str(), 1);
    }

    ~ChangedVariable()
    {
        if (_before)
            setenv(_name.c_str(), _before->c_str(), 1);
        else
            unsetenv(_name.c_str());
    }

    ChangedVariable(const ChangedVariable&) = delete;
    ChangedVariable& operator=(const ChangedVariable&) = delete;

private:
    const std::string _name;
    std::optional<std::string> _before;
};

} // namespace HangDetection::Test
