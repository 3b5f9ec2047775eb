#include "Json.h"

#include <Poco/JSON/Stringifier.h>

#include <fstream>
#include <stdexcept>

namespace HangDetection::Benchmark {

Poco::JSON::Object jsonOf(const Samples& samples)
{
    Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
    if (!samples.isEmpty())
        object.set("median", samples.median());
    Poco::JSON::Array values;
    for (const double value : samples.values())
        values.add(value);
    object.set("values", values);
    return object;
}

void writeJson(const std::filesystem::path& file, const Poco::Dynamic::Var& value)
{
    constexpr unsigned indent = 2;
    std::ofstream stream(file);
    Poco::JSON::Stringifier::stringify(value, stream, indent);
    stream << '\n';
    if (!stream.flush())
        throw std::runtime_error(file.string() + ": cannot be written");
}

} // namespace HangDetection::Benchmark
