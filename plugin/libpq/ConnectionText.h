#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace Libpq {

/// All options that libpq knows. One that was not given has no value.
using ConnectionOptions = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

ConnectionOptions writtenOptions(const std::string& text);
/// The options in the connection string itself. Null when libpq cannot read it.

ConnectionOptions optionsOf(const std::string& text);
/// The options in a connection string and in the service that it names. Reads the service file. Throws
/// ConnectionRefused when libpq cannot read one of them, when the lists of hosts, addresses and ports have
/// different lengths, and when a file that libpq would open is no regular file: libpq would wait for ever for
/// somebody who writes into a pipe.

std::optional<std::string> valueOf(const ConnectionOptions& options, std::string_view keyword);
/// Nothing when the option was not given.

void appendOption(std::string& text, std::string_view keyword, std::string_view value);
/// Appends an option to a connection string. If a keyword comes twice, the last value counts.

std::vector<std::string> elementsOf(const std::string& list);
/// Cuts a list at its commas, as libpq does. Keeps empty elements.

struct Host
/// One element of the lists host, hostaddr and port. Name and address may be empty.
{
    std::string name;
    std::string address;
    std::string port;
};

std::optional<std::vector<Host>> hostsOf(const ConnectionOptions& options);
/// At least one host; nothing when the lists have different lengths. A single port counts for all hosts. A
/// missing port becomes the default port, because libpq's errors do not name a missing one.

std::optional<int> numberIn(const std::string& text);
/// Nothing when the whole text is not a number.

} // namespace Libpq
