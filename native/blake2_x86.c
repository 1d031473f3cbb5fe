/* BLAKE2b and BLAKE2s in the lanes of AVX2 and AVX-512. */
#include "cpu.h"

#ifdef KURA_X86
#include <string.h>

#include "blake2_tasks.h"
#include "transpose_x86.h"

#define JOIN(a, b) a##_##b
#define SUB(a, b) JOIN(a, b)

/* BLAKE2b */
#define word_t uint64_t
#define task_t blake2b_task_t
#define BLOCK_BYTES 128
#define IV blake2b_iv
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R) BLAKE2_SIGMA_ROUNDS_10_11(R)

#define vec_t __m256i
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define XOR _mm256_xor_si256
#define SET1(x) _mm256_set1_epi64x((long long)(x))
#define ADD _mm256_add_epi64
#define TRANSPOSE transpose_b4
#define LANES 4

#define NAME blake2b_avx2_x4
#define TARGET AVX2
#define ROR_1(x) _mm256_shuffle_epi32(x, 0xb1)
#define ROR_2(x) _mm256_shuffle_epi8(x, ROR24_64)
#define ROR_3(x) _mm256_shuffle_epi8(x, ROR16_64)
#define ROR_4(x) ror63(x)
AVX2 static inline __m256i ror63(__m256i x) { return _mm256_or_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x)); }
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake2b_avx512_x4
#define TARGET AVX512
#define ROR_1(x) _mm256_ror_epi64(x, 32)
#define ROR_2(x) _mm256_ror_epi64(x, 24)
#define ROR_3(x) _mm256_ror_epi64(x, 16)
#define ROR_4(x) _mm256_ror_epi64(x, 63)
#include "blake2_lanes.h"
#undef NAME
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef vec_t
#undef LOAD
#undef STORE
#undef XOR
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES

#define vec_t __m512i
#define LOAD(p) _mm512_load_si512(p)
#define STORE(p, v) _mm512_store_si512(p, v)
#define XOR _mm512_xor_si512
#define SET1(x) _mm512_set1_epi64((long long)(x))
#define ADD _mm512_add_epi64
#define TRANSPOSE transpose_b8
#define LANES 8
#define NAME blake2b_avx512_x8
#define ROR_1(x) _mm512_ror_epi64(x, 32)
#define ROR_2(x) _mm512_ror_epi64(x, 24)
#define ROR_3(x) _mm512_ror_epi64(x, 16)
#define ROR_4(x) _mm512_ror_epi64(x, 63)
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES
#undef word_t
#undef task_t
#undef BLOCK_BYTES
#undef IV
#undef ROUNDS

/* BLAKE2s */
#define word_t uint32_t
#define task_t blake2s_task_t
#define BLOCK_BYTES 64
#define IV blake2s_iv
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R)

#define SET1(x) _mm512_set1_epi32((int)(x))
#define ADD _mm512_add_epi32
#define TRANSPOSE transpose_s16
#define LANES 16
#define NAME blake2s_avx512_x16
#define TARGET AVX512
#define ROR_1(x) _mm512_ror_epi32(x, 16)
#define ROR_2(x) _mm512_ror_epi32(x, 12)
#define ROR_3(x) _mm512_ror_epi32(x, 8)
#define ROR_4(x) _mm512_ror_epi32(x, 7)
#include "blake2_lanes.h"
#undef NAME
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef vec_t
#undef LOAD
#undef STORE
#undef XOR
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES

#define vec_t __m256i
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define XOR _mm256_xor_si256
#define SET1(x) _mm256_set1_epi32((int)(x))
#define ADD _mm256_add_epi32
#define TRANSPOSE transpose_s8
#define LANES 8
#define NAME blake2s_avx512_x8
#define ROR_1(x) _mm256_ror_epi32(x, 16)
#define ROR_2(x) _mm256_ror_epi32(x, 12)
#define ROR_3(x) _mm256_ror_epi32(x, 8)
#define ROR_4(x) _mm256_ror_epi32(x, 7)
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake2s_avx2_x8
#define TARGET AVX2
#define ROR_1(x) _mm256_shuffle_epi8(x, ROR16_32)
#define ROR_2(x) _mm256_or_si256(_mm256_srli_epi32(x, 12), _mm256_slli_epi32(x, 20))
#define ROR_3(x) _mm256_shuffle_epi8(x, ROR8_32)
#define ROR_4(x) _mm256_or_si256(_mm256_srli_epi32(x, 7), _mm256_slli_epi32(x, 25))
#include "blake2_lanes.h"
#endif
