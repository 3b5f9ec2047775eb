#pragma once

#include "ConnectionString.h"

#include <string>

namespace HangDetection {

std::string withoutSurroundings(const ConnectionString& connection);
/// A connection string for libpq, which may hold a password. What surrounds the process has no say in it,
/// as Connection in hang_detector.conf says what the connection is. Throws DatabaseError.
///
/// An option that Connection leaves open, and for which there is a variable of the environment, gets its
/// default. The files that libpq looks for where HOME says are those of the user that the process runs as.
/// With a service, libpq does not tell what comes from it and what from a variable, and on its own looks
/// for it where HOME says: then such a variable, and another HOME, are errors.

} // namespace HangDetection
