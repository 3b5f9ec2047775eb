// A job submit plugin with one thing wrong, chosen by a definition. It says on stderr
// when it is called, so that a test sees how far its loading came.

#include "slurm/SlurmRelease.h"

#include <cstdio>

#ifndef TYPE
#define TYPE "job_submit/hang_detector"
#endif
#ifndef VERSION_OFFSET
#define VERSION_OFFSET 0
#endif
#ifndef INIT_STATUS
#define INIT_STATUS 0
#endif

#define EXPORT __attribute__((visibility("default")))

extern "C" {

EXPORT extern const char plugin_name[] = "bad plugin";
#ifndef WITHOUT_TYPE
EXPORT extern const char plugin_type[] = TYPE;
#endif
EXPORT extern const std::uint32_t plugin_version = SLURM_VERSION_NUMBER + VERSION_OFFSET;

EXPORT int init()
{
    std::fputs("init was called\n", stderr);
    return INIT_STATUS;
}

EXPORT int fini()
{
    std::fputs("fini was called\n", stderr);
    return 0;
}

EXPORT int job_submit(job_desc_msg_t*, std::uint32_t, char**)
{
    return 0;
}

#ifndef WITHOUT_JOB_MODIFY
EXPORT int job_modify(job_desc_msg_t*, void*, std::uint32_t JOB_MODIFY_MESSAGE(char**))
{
    return 0;
}
#endif
}
