/* The vectors of the BUZHASH splitters. */
#ifndef KURA_BUZHASH_H
#define KURA_BUZHASH_H

#include "cpu.h"

#ifdef KURA_X86
bool buzhash_has_vector(void);
void buzhash_prepare_vector(const uint32_t table[256]);

/* Tests the ends *at + 1 to at most `to`, as far as 64 of them are left; `hash` is that of the 64 bytes before *at. Returns the first end
 * whose hash has none of the bits of `mask`, or -1; *at is then the last end that was tested. */
int64_t buzhash_cut_vector(const uint8_t *data, size_t *at, size_t to, uint32_t hash, uint32_t mask);
#endif

#endif
