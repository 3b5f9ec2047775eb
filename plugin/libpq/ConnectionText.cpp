#include "ConnectionText.h"

#include "Errors.h"

#include <Poco/Environment.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <new>
#include <sstream>
#include <system_error>
#include <utility>

namespace Libpq {

namespace {

const PQconninfoOption& optionOf(const ConnectionOptions& options, std::string_view keyword)
/// When libpq does not know the keyword: the end of the options, which has no value.
{
    const PQconninfoOption* option = options.get();
    while (option->keyword != nullptr && keyword != option->keyword)
        ++option;
    return *option;
}

void requireRegular(const std::string& what, const std::filesystem::path& file)
/// A file that is missing, or cannot be looked at, is left to libpq. So is /dev/null, which stands for none.
{
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    const bool isHarmless = std::filesystem::is_regular_file(status) || file == "/dev/null";
    if (!error && std::filesystem::exists(status) && !isHarmless)
        throw ConnectionRefused({what + " \"" + file.string() + "\" is not a regular file"});
}

void requireRegularServiceFiles(const ConnectionOptions& options)
/// All files in which libpq may look for a service.
{
    const auto variable = [](const char* name, const char* otherwise) {
        return std::filesystem::path(Poco::Environment::get(name, otherwise));
    };
    requireRegular("service file", valueOf(options, "servicefile").value_or("")); // from libpq 18 on
    requireRegular("service file", variable("PGSERVICEFILE", ""));
    requireRegular("service file", variable("HOME", "/") / ".pg_service.conf");
    requireRegular("service file", variable("PGSYSCONFDIR", "/etc/postgresql-common") / "pg_service.conf");
}

void requireRegularFiles(const ConnectionOptions& options)
{
    for (const char* const keyword :
         {"passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslkeylogfile"})
        requireRegular(keyword, valueOf(options, keyword).value_or(""));
    std::error_code error;
    for (std::filesystem::directory_iterator files(valueOf(options, "sslcrldir").value_or(""), error), end;
         !error && files != end; files.increment(error)) {
        std::error_code ignored;
        if (!files->is_directory(ignored))
            requireRegular("sslcrldir has", files->path());
    }
}

} // namespace

ConnectionOptions writtenOptions(const std::string& text)
{
    return {PQconninfoParse(text.c_str(), nullptr), &PQconninfoFree};
}

ConnectionOptions optionsOf(const std::string& text)
{
    ConnectionOptions options = writtenOptions(text);
    if (!options)
        throw ConnectionRefused({"the connection string cannot be read"}); // libpq's error quotes it
    if (!valueOf(options, "service") && hostsOf(options)) {
        requireRegularFiles(options);
        return options;
    }
    requireRegularServiceFiles(options);
    // libpq reads the service and then refuses this gssencmode, so it does not connect. Because of the
    // password it reads no passfile.
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectStart((text + " password='?' gssencmode='?'").c_str()), &PQfinish);
    options.reset(PQconninfo(connection.get()));
    if (!options)
        throw std::bad_alloc();
    if (valueOf(options, "gssencmode") != "?" || !hostsOf(options))
        throw ConnectionRefused({PQerrorMessage(connection.get())});
    requireRegularFiles(options);
    return options;
}

std::optional<std::string> valueOf(const ConnectionOptions& options, std::string_view keyword)
{
    const char* const value = optionOf(options, keyword).val;
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void appendOption(std::string& text, std::string_view keyword, std::string_view value)
{
    if (!text.empty())
        text += ' ';
    text += keyword;
    text += "='";
    for (const char c : value) {
        if (c == '\'' || c == '\\')
            text += '\\';
        text += c;
    }
    text += '\'';
}

std::vector<std::string> elementsOf(const std::string& list)
{
    std::vector<std::string> elements;
    std::istringstream stream(list + ',');
    for (std::string element; std::getline(stream, element, ',');)
        elements.push_back(element);
    return elements;
}

std::optional<std::vector<Host>> hostsOf(const ConnectionOptions& options)
{
    const auto listOf = [&](std::string_view keyword) {
        const std::string value = valueOf(options, keyword).value_or("");
        return value.empty() ? std::vector<std::string>() : elementsOf(value);
    };
    const auto names = listOf("host");
    const auto addresses = listOf("hostaddr");
    auto ports = listOf("port");
    const std::size_t count = std::max({names.size(), addresses.size(), ports.size(), std::size_t{1}});
    if (ports.size() == 1)
        ports.assign(count, ports.front());

    std::vector<Host> hosts(count);
    for (const auto& [list, member] :
         {std::pair(&names, &Host::name), {&addresses, &Host::address}, {&ports, &Host::port}}) {
        if (!list->empty() && list->size() != count)
            return std::nullopt;
        for (std::size_t i = 0; i < list->size(); ++i)
            hosts[i].*member = (*list)[i];
    }
    const char* const defaultPort = optionOf(options, "port").compiled;
    for (Host& host : hosts) {
        if (host.port.empty() && defaultPort != nullptr)
            host.port = defaultPort;
    }
    return hosts;
}

std::optional<int> numberIn(const std::string& text)
{
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

} // namespace Libpq
