#pragma once

#include "Overrides.h"
#include "SessionImpl.h"

#include <Poco/Exception.h>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>

namespace Libpq {

class Extractor : public Overrides<Extracting, Extractor, Poco::Any, Poco::Dynamic::Var>
/// Reads a result row by row. Reads numbers and booleans from columns of such a type, and a text from any
/// column, such as a uuid. Other types throw Poco::NotImplementedException.
{
public:
    void use(Result result);
    /// Stands before the first row until next() is called.

    std::size_t columns() const { return static_cast<std::size_t>(PQnfields(_result.get())); }
    int affectedRows() const;
    bool hasNext() const { return _row + 1 < PQntuples(_result.get()); }
    void next() { ++_row; }

    template <typename Value>
    bool read(std::size_t column, Value& value)
    /// False for NULL. Throws Poco::Data::ExtractException when the column has another type, or its number
    /// does not fit.
    {
        if constexpr (std::same_as<Value, std::string>)
            return readText(column, value);
        else if constexpr (std::same_as<Value, bool>)
            return readBoolean(column, value);
        else if constexpr (std::is_arithmetic_v<Value> && !std::same_as<Value, char>)
            return readNumber(column, value);
        else
            throw Poco::NotImplementedException("a value of type", typeid(Value).name());
    }

    bool isNull(std::size_t column, std::size_t row) override;
    /// Looks at the current row. Throws Poco::NotImplementedException for any other row.

private:
    /// The type numbers in PostgreSQL's catalog/pg_type.dat, which never change.
    static constexpr std::initializer_list<Oid> booleans{16};
    static constexpr std::initializer_list<Oid> integers{20, 21, 23};
    static constexpr std::initializer_list<Oid> floats{700, 701};

    template <typename Number>
    bool readNumber(std::size_t column, Number& number) const
    {
        requireType(column, std::integral<Number> ? integers : floats);
        const auto text = textIn(column);
        if (!text)
            return false;
        const char* const end = text->data() + text->size();
        const auto [last, error] = std::from_chars(text->data(), end, number);
        if (error != std::errc() || last != end)
            misfit(column, "holds a number that does not fit");
        return true;
    }

    bool readBoolean(std::size_t column, bool& value) const;
    bool readText(std::size_t column, std::string& value) const;
    std::optional<std::string_view> textIn(std::size_t column) const;
    void requireType(std::size_t column, std::initializer_list<Oid> types) const;
    [[noreturn]] static void misfit(std::size_t column, const char* why);

    Result _result{nullptr, &PQclear};
    int _row = -1;
};

} // namespace Libpq
