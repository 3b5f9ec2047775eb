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
{}

PsqlFloor::~PsqlFloor()
{
    _questions.close();
    _psql.wait();
}

int PsqlFloor::run()
{
    _questions << (_task == Task::search ? Sql::floor_search : Sql::floor) << "\n\\echo " << endOfAnswer
               << '\n'
               << std::flush;
    std::string line;
    std::string answer;
    while (std::getline(_answers, line) && line != endOfAnswer)
        answer = line;
    if (line != endOfAnswer || answer.empty())
        throw std::runtime_error("psql ended without an answer");
    return std::stoi(answer);
}

} // namespace HangDetection::Benchmark
