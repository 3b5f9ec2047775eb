#pragma once

#include "ConnectionString.h"

#include <string>

namespace HangDetection {

std::string withoutSurroundings(const ConnectionString& connection);
/// A connection string for libpq. It may hold a password. The environment of the process does not change its
/// meaning: only Connection in hang_detector.conf decides about the connection. Throws DatabaseError.
///
/// An option that Connection does not set gets its default, if the environment has a variable for it. libpq
/// looks for some files in the directory that HOME names. The string names the files of the user that runs
/// the process instead.
///
/// With a service this is not possible. libpq does not show which options come from the service and which
/// from a variable, and looks for the service's file in the directory that HOME names. So with a service,
/// such a variable or the HOME of another user is an error.

} // namespace HangDetection
