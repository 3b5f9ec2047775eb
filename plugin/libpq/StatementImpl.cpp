#include "StatementImpl.h"

#include <Poco/Exception.h>

namespace Libpq {

StatementImpl::StatementImpl(SessionImpl& session)
    : Poco::Data::StatementImpl(session), _session(session), _binder(new Binder), _extractor(new Extractor)
{}

std::size_t StatementImpl::columnsReturned() const
{
    return _extractor->columns();
}

int StatementImpl::affectedRowCount() const
{
    return _extractor->affectedRows();
}

const Poco::Data::MetaColumn& StatementImpl::metaColumn(std::size_t) const
{
    throw Poco::NotImplementedException("descriptions of columns");
}

bool StatementImpl::hasNext()
{
    return _extractor->hasNext();
}

std::size_t StatementImpl::next()
{
    _extractor->next();
    std::size_t position = 0;
    for (auto& extraction : extractions()) {
        extraction->extract(position);
        position += extraction->numOfColumnsHandled();
    }
    return 1;
}

bool StatementImpl::canBind() const
{
    // Each element of a container is a set of parameters.
    return !bindings().empty() && bindings().front()->canBind();
}

void StatementImpl::compileImpl()
{
    _extractor->use(Result(nullptr, &PQclear));
}

void StatementImpl::bindImpl()
{
    _binder->clear();
    std::size_t position = 0;
    for (auto& binding : bindings()) {
        binding->bind(position);
        position += binding->numOfColumnsHandled();
    }
    _extractor->use(_session.execute(toString(), _binder->parameters()));
    std::size_t wanted = 0;
    for (auto& extraction : extractions())
        wanted += extraction->numOfColumnsHandled();
    if (wanted > _extractor->columns())
        throw Poco::Data::ExtractException("the statement has fewer columns than into() takes");
}

} // namespace Libpq
