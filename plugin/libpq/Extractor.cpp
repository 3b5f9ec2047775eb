#include "Extractor.h"

#include <Poco/Data/DataException.h>

#include <algorithm>
#include <utility>

namespace Libpq {

void Extractor::use(Result result)
{
    _result = std::move(result);
    _row = -1;
}

int Extractor::affectedRows() const
{
    const std::string_view rows = PQcmdTuples(_result.get());
    int count = 0;
    std::from_chars(rows.data(), rows.data() + rows.size(), count);
    return count;
}

bool Extractor::isNull(std::size_t column, std::size_t row)
{
    if (row != Poco::Data::POCO_DATA_INVALID_ROW)
        throw Poco::NotImplementedException("NULL in another row");
    return !textIn(column);
}

bool Extractor::readBoolean(std::size_t column, bool& value) const
{
    requireType(column, booleans);
    const auto text = textIn(column);
    value = text == "t";
    return text.has_value();
}

bool Extractor::readText(std::size_t column, std::string& value) const
{
    const auto text = textIn(column);
    value = text.value_or("");
    return text.has_value();
}

std::optional<std::string_view> Extractor::textIn(std::size_t column) const
{
    const int field = static_cast<int>(column);
    if (PQgetisnull(_result.get(), _row, field) == 1)
        return std::nullopt;
    return std::string_view(PQgetvalue(_result.get(), _row, field),
                            static_cast<std::size_t>(PQgetlength(_result.get(), _row, field)));
}

void Extractor::requireType(std::size_t column, std::initializer_list<Oid> types) const
{
    if (std::ranges::find(types, PQftype(_result.get(), static_cast<int>(column))) == types.end())
        misfit(column, "is of another type");
}

void Extractor::misfit(std::size_t column, const char* why)
{
    throw Poco::Data::ExtractException("column " + std::to_string(column + 1) + ' ' + why);
}

} // namespace Libpq
