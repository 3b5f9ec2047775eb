#pragma once

namespace HangDetection::Test {

class FailingCalls
/// While it lives, calls of this thread into the C library fail as if memory or the kernel's resources had
/// run out: one of them, or that one and all after it. Every library in the process is affected, as the
/// program has these functions in place of the C library's. One at a time in each thread.
{
public:
    enum class Kind
    {
        allocations, /// malloc, calloc and realloc, and so new
        systemCalls  /// sockets, files, threads and the resolver
    };

    enum class Extent
    {
        one,
        allAfterIt
    };

    FailingCalls(Kind kind, int number, Extent extent);
    /// Counts from 1. With 0 none fails.

    ~FailingCalls();

    FailingCalls(const FailingCalls&) = delete;
    FailingCalls& operator=(const FailingCalls&) = delete;

    static int counted();
    /// The calls of the kind until now.

    class Pause
    /// While it lives, no call of this thread fails or is counted.
    {
    public:
        Pause();
        ~Pause();

        Pause(const Pause&) = delete;
        Pause& operator=(const Pause&) = delete;
    };
};

} // namespace HangDetection::Test
