/* Bytes of a vector. Both sources have to agree on them: groups of samples are as wide. */

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
