/* Which code path the CPU allows. */
#ifndef KURA_CPU_H
#define KURA_CPU_H

#include "kura.h"

#if defined(__x86_64__)
#define KURA_X86 1
#endif

typedef enum { cpu_portable, cpu_avx2, cpu_avx512 } cpu_path_t;

/* The path in use: the best one, unless useCpu chose a lesser one. */
cpu_path_t cpu_path(void);

/* Whether there is a better path than the portable one. Where there is not, the compiler's target says what the CPU has (NEON). */
bool cpu_has_more_paths(void);

#endif
