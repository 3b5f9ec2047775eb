#pragma once

#include "Job.h"

#include <Poco/Tuple.h>
#include <Poco/Types.h>

#include <string>

namespace HangDetection {

using TerminationRow =
    Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string, std::string, Poco::Int64,
                std::string, std::string, Poco::Int64, std::string, std::string, std::string>;
/// The columns of terminate_jobs.sql up to the template, in their order, which are all that
/// preview_terminations.sql has.

Termination answerFrom(const TerminationRow& row);
/// What the row tells of its job. Throws Poco::DataFormatException, which quotes nothing, for
/// an outcome, a state or a reason that terminate_jobs.sql does not have.

} // namespace HangDetection
