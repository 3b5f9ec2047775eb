#include "Passfile.h"

#include "ConnectionText.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace Libpq {

std::string passfileFault(const std::string& file)
{
    const std::string name = "the passfile \"" + file + '"';
    struct stat status = {};
    if (stat(file.c_str(), &status) != 0 || faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0)
        return name + " cannot be read: " + std::generic_category().message(errno);
    // libpq's own rule.
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return name + " is not only its owner's, so libpq does not read it";
    return "";
}

std::string passfileFault(PGconn* connection)
{
    if (PQconnectionNeedsPassword(connection) == 0)
        return "";
    const ConnectionOptions options(PQconninfo(connection), &PQconninfoFree);
    const std::string file = options ? valueOf(options, "passfile").value_or("") : "";
    std::string fault = passfileFault(file);
    if (!fault.empty())
        return fault;
    return "the passfile \"" + file + "\" has no line for " + PQhost(connection) + ':' + PQport(connection) +
           ':' + PQdb(connection) + ':' + PQuser(connection);
}

} // namespace Libpq
