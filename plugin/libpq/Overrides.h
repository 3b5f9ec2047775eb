#pragma once

#include <Poco/Data/AbstractBinder.h>
#include <Poco/Data/AbstractExtractor.h>
#include <Poco/Nullable.h>

#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <vector>

namespace Libpq {

template <typename Derived, typename... Types>
class Binding : public Poco::Data::AbstractBinder
/// Overrides bind() for each of the types: calls add() of the derived class.
{};

template <typename Derived, typename Type, typename... Types>
class Binding<Derived, Type, Types...> : public Binding<Derived, Types...>
{
public:
    using Binding<Derived, Types...>::bind;

    void bind(std::size_t, const Type& value, Poco::Data::AbstractBinder::Direction direction) override
    {
        static_cast<Derived*>(this)->add(value, direction);
    }
};

template <typename Derived, typename... Types>
class Extracting : public Poco::Data::AbstractExtractor
/// Overrides extract() for each of the types and for containers of them: calls read() of the derived class.
{};

template <typename Derived, typename Type, typename... Types>
class Extracting<Derived, Type, Types...> : public Extracting<Derived, Types...>
{
public:
    using Extracting<Derived, Types...>::extract;

    bool extract(std::size_t column, Type& value) override { return derived().read(column, value); }
    // Overrides from Poco 1.14 on. Before, Poco asks isNull() and then for the value.
    bool extract(std::size_t column, Poco::Nullable<Type>& value)
    {
        Type found{};
        value = derived().read(column, found) ? Poco::Nullable<Type>(found) : Poco::Nullable<Type>();
        return !value.isNull();
    }
    bool extract(std::size_t column, std::vector<Type>& value) override
    {
        return derived().read(column, value);
    }
    bool extract(std::size_t column, std::deque<Type>& value) override
    {
        return derived().read(column, value);
    }
    bool extract(std::size_t column, std::list<Type>& value) override
    {
        return derived().read(column, value);
    }

private:
    Derived& derived() { return static_cast<Derived&>(*this); }
};

/// The types for which Poco's base classes need overrides.
template <template <typename, typename...> typename Overriding, typename Derived, typename... More>
using Overrides = Overriding<Derived, Poco::Int8, Poco::UInt8, Poco::Int16, Poco::UInt16, Poco::Int32,
                             Poco::UInt32, Poco::Int64, Poco::UInt64,
#ifndef POCO_INT64_IS_LONG
                             long, unsigned long,
#endif
                             bool, float, double, char, std::string, Poco::UUID, Poco::DateTime,
                             Poco::Data::Date, Poco::Data::Time, Poco::Data::BLOB, Poco::Data::CLOB, More...>;

} // namespace Libpq
