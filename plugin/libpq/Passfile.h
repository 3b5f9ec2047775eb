#pragma once

#include <libpq-fe.h>

#include <string>

namespace Libpq {

std::string passfileFault(const std::string& file);
/// Why libpq does not read this passfile, as the user that runs the process. Empty when it does.

std::string passfileFault(PGconn* connection);
/// Why libpq took no password from the passfile of a connection that failed for want of one. libpq itself
/// says nothing about it. Empty when the connection failed for another reason.

} // namespace Libpq
