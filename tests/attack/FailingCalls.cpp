// The functions and those for large files are two, for libraries may use either.
#undef _FILE_OFFSET_BITS

#include "FailingCalls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>

namespace {

using HangDetection::Test::FailingCalls;

struct State
/// Of a thread. Plain data, as malloc itself uses it, also before main.
{
    bool isArmed;
    bool isPaused;
    bool failsAllAfterIt;
    FailingCalls::Kind kind;
    int number;
    int counted;
};

constinit thread_local State state{};

bool fails(FailingCalls::Kind kind)
/// Counts the call.
{
    if (!state.isArmed || state.isPaused || kind != state.kind)
        return false;
    ++state.counted;
    return state.number > 0 &&
           (state.failsAllAfterIt ? state.counted >= state.number : state.counted == state.number);
}

template <typename Function>
Function* real(Function* /*replaced*/, const char* name)
{
    const FailingCalls::Pause pause;
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool allocationFails()
{
    if (!fails(FailingCalls::Kind::allocations))
        return false;
    errno = ENOMEM;
    return true;
}

} // namespace

namespace HangDetection::Test {

FailingCalls::FailingCalls(Kind kind, int number, Extent extent)
{
    state = {true, false, extent == Extent::allAfterIt, kind, number, 0};
}

FailingCalls::~FailingCalls()
{
    state.isArmed = false;
}

int FailingCalls::counted()
{
    return state.counted;
}

FailingCalls::Pause::Pause()
{
    state.isPaused = true;
}

FailingCalls::Pause::~Pause()
{
    state.isPaused = false;
}

} // namespace HangDetection::Test

#ifdef SANITIZED
#define REAL_CALL(name) __interceptor_##name
#else
#define REAL_CALL(name) __libc_##name
#endif

#pragma GCC visibility push(default)

extern "C" {

void* REAL_CALL(malloc)(std::size_t);
void* REAL_CALL(calloc)(std::size_t, std::size_t);
void* REAL_CALL(realloc)(void*, std::size_t);

void* malloc(std::size_t size) noexcept
{
    return allocationFails() ? nullptr : REAL_CALL(malloc)(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept
{
    return allocationFails() ? nullptr : REAL_CALL(calloc)(count, size);
}

void* realloc(void* memory, std::size_t size) noexcept
{
    return allocationFails() ? nullptr : REAL_CALL(realloc)(memory, size);
}

// A function that fails with this result and this errno.
#define FAILING(Result, name, parameters, arguments, failure, error)                                         \
    Result name parameters                                                                                   \
    {                                                                                                        \
        if (fails(FailingCalls::Kind::systemCalls)) {                                                        \
            errno = error;                                                                                   \
            return failure;                                                                                  \
        }                                                                                                    \
        static const auto call = real(&name, #name);                                                         \
        return call arguments;                                                                               \
    }

// One that takes one more argument, or none, of at most a pointer's size.
#define FAILING_WITH_MORE(name, First, Second, specifier, error)                                             \
    int name(First first, Second second, ...) specifier                                                      \
    {                                                                                                        \
        va_list list;                                                                                        \
        va_start(list, second);                                                                              \
        void* const more = va_arg(list, void*);                                                              \
        va_end(list);                                                                                        \
        if (fails(FailingCalls::Kind::systemCalls)) {                                                        \
            errno = error;                                                                                   \
            return -1;                                                                                       \
        }                                                                                                    \
        static const auto call = real(&name, #name);                                                         \
        return call(first, second, more);                                                                    \
    }

FAILING(int, socket, (int domain, int type, int protocol) noexcept, (domain, type, protocol), -1, EMFILE)
FAILING(int, socketpair, (int domain, int type, int protocol, int* pair) noexcept,
        (domain, type, protocol, pair), -1, EMFILE)
FAILING(int, connect, (int socket, const sockaddr* to, socklen_t size), (socket, to, size), -1, ECONNREFUSED)
FAILING(int, getsockopt, (int socket, int level, int name, void* value, socklen_t* size) noexcept,
        (socket, level, name, value, size), -1, ENOBUFS)
FAILING(int, setsockopt, (int socket, int level, int name, const void* value, socklen_t size) noexcept,
        (socket, level, name, value, size), -1, ENOBUFS)
FAILING(int, getsockname, (int socket, sockaddr* name, socklen_t* size) noexcept, (socket, name, size), -1,
        ENOBUFS)
FAILING(int, poll, (pollfd * requests, nfds_t count, int timeout), (requests, count, timeout), -1, ENOMEM)
FAILING(ssize_t, send, (int socket, const void* data, std::size_t size, int flags),
        (socket, data, size, flags), -1, ECONNRESET)
FAILING(ssize_t, recv, (int socket, void* data, std::size_t size, int flags), (socket, data, size, flags), -1,
        ECONNRESET)
FAILING(int, dup3, (int from, int to, int flags) noexcept, (from, to, flags), -1, EMFILE)
FAILING(ssize_t, read, (int file, void* data, std::size_t size), (file, data, size), -1, EIO)
FAILING(ssize_t, write, (int file, const void* data, std::size_t size), (file, data, size), -1, ENOSPC)
FAILING(int, fstat64, (int file, struct stat64* about) noexcept, (file, about), -1, EIO)
FAILING(int, stat64, (const char* path, struct stat64* about) noexcept, (path, about), -1, EACCES)
FAILING(int, lstat64, (const char* path, struct stat64* about) noexcept, (path, about), -1, EACCES)
FAILING(int, stat, (const char* path, struct stat* about) noexcept, (path, about), -1, EACCES)
FAILING(int, fchmod, (int file, mode_t mode) noexcept, (file, mode), -1, EPERM)
FAILING(int, flock, (int file, int operation) noexcept, (file, operation), -1, ENOLCK)
FAILING(int, rename, (const char* from, const char* to) noexcept, (from, to), -1, EACCES)
FAILING(int, unlink, (const char* path) noexcept, (path), -1, EACCES)
FAILING(FILE*, fopen, (const char* path, const char* mode), (path, mode), nullptr, EMFILE)
FAILING(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t* attributes, void* (*function)(void*),
         void* argument) noexcept,
        (thread, attributes, function, argument), EAGAIN, EAGAIN)
FAILING(int, getpwuid_r, (uid_t user, passwd* about, char* buffer, std::size_t size, passwd** result),
        (user, about, buffer, size, result), EMFILE, EMFILE)
FAILING(int, getaddrinfo, (const char* host, const char* port, const addrinfo* hints, addrinfo** found),
        (host, port, hints, found), EAI_MEMORY, ENOMEM)
FAILING(int, getnameinfo,
        (const sockaddr* address, socklen_t size, char* host, socklen_t hostSize, char* port,
         socklen_t portSize, int flags),
        (address, size, host, hostSize, port, portSize, flags), EAI_MEMORY, ENOMEM)
FAILING_WITH_MORE(fcntl, int, int, , EMFILE)
FAILING_WITH_MORE(fcntl64, int, int, , EMFILE)
FAILING_WITH_MORE(open64, const char*, int, , EMFILE)
FAILING_WITH_MORE(ioctl, int, unsigned long, noexcept, EIO)

} // extern "C"

#pragma GCC visibility pop
