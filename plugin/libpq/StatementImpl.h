#pragma once

#include "Binder.h"
#include "Extractor.h"
#include "SessionImpl.h"

#include <Poco/Data/StatementImpl.h>

namespace Libpq {

class StatementImpl : public Poco::Data::StatementImpl
/// One SQL command of a SessionImpl. What into() does not take of its rows is dropped. RecordSet is not
/// supported. May be executed again.
{
public:
    explicit StatementImpl(SessionImpl& session);

protected:
    std::size_t columnsReturned() const override;
    int affectedRowCount() const override;
    const Poco::Data::MetaColumn& metaColumn(std::size_t position) const override;
    bool hasNext() override;
    std::size_t next() override;
    bool canBind() const override;
    bool canCompile() const override { return false; }
    void compileImpl() override;
    void bindImpl() override;
    /// Also executes the statement. Throws afterwards when the rows have fewer columns than into() takes.
    Poco::Data::AbstractExtraction::ExtractorPtr extractor() override { return _extractor; }
    Poco::Data::AbstractBinding::BinderPtr binder() override { return _binder; }

private:
    SessionImpl& _session;
    Poco::SharedPtr<Binder> _binder;
    Poco::SharedPtr<Extractor> _extractor;
};

} // namespace Libpq
