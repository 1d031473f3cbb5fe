/* BLAKE3 in the lanes of AVX2 and AVX-512. */
#include "cpu.h"

#ifdef KURA_X86
#include <string.h>

#include "blake2_tasks.h"
#include "blake3_jobs.h"
#include "transpose_x86.h"

#define ALIGNED __attribute__((aligned(64)))

#define NAME blake3_avx2_x8
#define TARGET AVX2
#define LANES 8
#define vec_t __m256i
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define SET1(x) _mm256_set1_epi32((int)(x))
#define ADD _mm256_add_epi32
#define XOR _mm256_xor_si256
#define AND _mm256_and_si256
#define TRANSPOSE transpose_s8
#define ROR_1(x) _mm256_shuffle_epi8(x, ROR16_32)
#define ROR_2(x) _mm256_or_si256(_mm256_srli_epi32(x, 12), _mm256_slli_epi32(x, 20))
#define ROR_3(x) _mm256_shuffle_epi8(x, ROR8_32)
#define ROR_4(x) _mm256_or_si256(_mm256_srli_epi32(x, 7), _mm256_slli_epi32(x, 25))
#include "blake3_lanes.h"
#undef NAME
#undef TARGET
#undef LANES
#undef vec_t
#undef LOAD
#undef STORE
#undef SET1
#undef ADD
#undef XOR
#undef AND
#undef TRANSPOSE
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake3_avx512_x16
#define TARGET AVX512
#define LANES 16
#define vec_t __m512i
#define LOAD(p) _mm512_load_si512(p)
#define STORE(p, v) _mm512_store_si512(p, v)
#define SET1(x) _mm512_set1_epi32((int)(x))
#define ADD _mm512_add_epi32
#define XOR _mm512_xor_si512
#define AND _mm512_and_si512
#define TRANSPOSE transpose_s16
#define ROR_1(x) _mm512_ror_epi32(x, 16)
#define ROR_2(x) _mm512_ror_epi32(x, 12)
#define ROR_3(x) _mm512_ror_epi32(x, 8)
#define ROR_4(x) _mm512_ror_epi32(x, 7)
#include "blake3_lanes.h"
#endif
