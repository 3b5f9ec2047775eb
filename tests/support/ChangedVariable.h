#pragma once

#include "Undo.h"

#include <cstdlib>
#include <string>

namespace HangDetection::Test {

class ChangedVariable : public Undo
/// A variable of this process's environment has another value, as long as the object lives.
{
public:
    ChangedVariable(const std::string& name, const std::string& value) : Undo(resetting(name))
    {
        setenv(name.c_str(), value.c_str(), 1);
    }

private:
    static std::function<void()> resetting(const std::string& name)
    {
        if (const char* const value = getenv(name.c_str()))
            return [name, before = std::string(value)] { setenv(name.c_str(), before.c_str(), 1); };
        return [name] { unsetenv(name.c_str()); };
    }
};

} // namespace HangDetection::Test
