#include "Binder.h"

#include <Poco/Data/DataException.h>

#include <utility>

namespace Libpq {

void Binder::addText(std::optional<std::string> text, Direction direction)
{
    if (isOutBound(direction))
        throw Poco::NotImplementedException("a parameter that the statement writes");
    if (text && text->find('\0') != std::string::npos)
        throw Poco::Data::BindingException("a text with a zero byte, which PostgreSQL does not have");
    _parameters.push_back(std::move(text));
}

} // namespace Libpq
