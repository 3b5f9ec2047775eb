#pragma once

#include "Overrides.h"
#include "SessionImpl.h"

#include <Poco/Exception.h>

#include <array>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>

namespace Libpq {

class Binder : public Overrides<Binding, Binder, const char*, Poco::Data::NullData>
/// Turns the values that are bound to a statement into its parameters, in the same order. Takes numbers,
/// booleans, texts, uuids and NULL. Other types, and parameters that the statement writes, throw
/// Poco::NotImplementedException; a text with a zero byte throws Poco::Data::BindingException.
{
public:
    void clear() { _parameters.clear(); }
    const Parameters& parameters() const { return _parameters; }

    template <typename Value>
    void add(const Value& value, Direction direction)
    {
        if constexpr (std::same_as<Value, bool>)
            addText(value ? "t" : "f", direction);
        else if constexpr (std::same_as<Value, char>)
            addText(std::string(1, value), direction);
        else if constexpr (std::is_arithmetic_v<Value>)
            addText(digitsOf(value), direction);
        else if constexpr (std::same_as<Value, const char*>)
            addText(value == nullptr ? std::nullopt : std::optional<std::string>(value), direction);
        else if constexpr (std::same_as<Value, std::string>)
            addText(value, direction);
        else if constexpr (std::same_as<Value, Poco::UUID>)
            addText(value.toString(), direction);
        else if constexpr (std::same_as<Value, Poco::Data::NullData>)
            addText(std::nullopt, direction);
        else
            throw Poco::NotImplementedException("a parameter of type", typeid(Value).name());
    }

private:
    template <typename Number>
    static std::string digitsOf(Number number)
    {
        std::array<char, 32> text{}; // a double has 24 characters at most
        return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
    }

    void addText(std::optional<std::string> text, Direction direction);

    Parameters _parameters;
};

} // namespace Libpq
