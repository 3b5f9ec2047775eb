#include "PsqlFloor.h"

#include "BenchmarkSql.h"

#include <istream>
#include <stdexcept>
#include <string>

namespace HangDetection::Benchmark {

namespace {

constexpr const char* endOfAnswer = "end of answer";

} // namespace

PsqlFloor::PsqlFloor(const std::string& connectionString, Task task)
    : _task(task),
      _psql(Poco::Process::launch("psql",
                                  {"--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                                   "--set=ON_ERROR_STOP=1", connectionString},
                                  &_in, &_out, nullptr)),
      _questions(_in),
      _answers(_out)
{
    ask("");
}

PsqlFloor::~PsqlFloor()
{
    _questions.close();
    _psql.wait();
}

int PsqlFloor::run()
{
    const std::string answer = ask(_task == Task::search ? Sql::floor_search : Sql::floor);
    if (answer.empty())
        throw std::runtime_error("psql gave no answer");
    return std::stoi(answer);
}

std::string PsqlFloor::ask(const std::string& question)
/// The last line of the answer.
{
    _questions << question << "\n\\echo " << endOfAnswer << '\n' << std::flush;
    std::string line;
    std::string answer;
    while (std::getline(_answers, line) && line != endOfAnswer)
        answer = line;
    if (line != endOfAnswer)
        throw std::runtime_error("psql ended without an answer");
    return answer;
}

} // namespace HangDetection::Benchmark
