#include "Names.h"

namespace HangDetection {

const char* causeOf(Outcome outcome)
{
    switch (outcome) {
    case Outcome::locked:
        return "locked";
    case Outcome::missing:
        return "missing";
    case Outcome::notStarted:
        return "not_started";
    case Outcome::completed:
        return "completed";
    case Outcome::reported:
        return "reported";
    case Outcome::suspended:
        return "suspended";
    case Outcome::terminated:
    case Outcome::failed:
        break;
    }
    return "unknown";
}

const char* nameOf(Reason reason)
{
    return reason == Reason::pending ? "pending" : "hung";
}

const char* nameOfRevival(bool hasSucceeded)
{
    return hasSucceeded ? "succeeded" : "reported";
}

} // namespace HangDetection
