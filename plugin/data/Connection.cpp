#include "Connection.h"

#include "DatabaseError.h"
#include "RunLimit.h"
#include "Statements.h"
#include "Surroundings.h"
#include "libpq/Errors.h"

#include <openssl/crypto.h>

#include <utility>

namespace HangDetection {

using namespace Poco::Data::Keywords;

void prepareDatabaseLibraries()
{
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr);
}

Connection::Connection(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
                       std::chrono::hours planAge)
    : _connectionString(std::move(connectionString)),
      _statementTimeout(statementTimeout),
      _planAge(planAge),
      _session(new Libpq::SessionImpl)
{
    _session->allowCleartextPassword(_connectionString.isCleartextAllowed());
}

Connection::~Connection()
{
    drop();
    OPENSSL_thread_stop();
}

void Connection::open(const Libpq::WaitLimit& limit)
{
    _session->setLimit(limit);
    try {
        if (!_session->isGood()) {
            _session->open(withoutSurroundings(_connectionString));
            ++_sessions;
            prepareSession();
        } else if (Clock::now() - _plannedSince >= _planAge) {
            session() << "DISCARD PLANS", now;
            _plannedSince = Clock::now();
        }
    } catch (const Libpq::ConnectionRefused& refusal) {
        if (limit.stop.stop_requested())
            throw RunStopped();
        throw DatabaseError::fromConnecting(refusal);
    } catch (const Poco::Exception& exception) {
        const bool wasLost = isLost();
        drop();
        throw DatabaseError::fromStatement(exception, wasLost);
    } catch (...) {
        drop(); // the session may be half prepared
        throw;
    }
}

DatabaseFacts Connection::facts() const
{
    return {_session->server(), _session->tlsVersion(), _schema, _canSearchByStatus};
}

void Connection::prepareSession()
{
    session() << Statements::prepare_session, into(_canSearchByStatus), into(_canReadDaemons),
        into(_canReadLastSeen), into(_schema), bind(_statementTimeout.count()), now;
    _plannedSince = Clock::now();
}

} // namespace HangDetection
