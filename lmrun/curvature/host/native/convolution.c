/* A convolution over one or two axes with samples last: z = K^T windows + b, and what is pulled back through it.

   image    [C][H][W][rows]      what the layer reads, padded
   made     [F][OH][OW][rows]    z, or its cotangents
   kernel   [KH][KW][C][F]       K
   table    [KH][KW][C][F][rows] every sample's derivative by K, and [F][rows] by b behind it

   Numbers of one sample are `step` apart from those of the next place. C, H, W, F, KH, KW, SH, SW, DH, DW, OH, OW
   (channels, image, filters, window, strides, dilation, places) and REAL are given to the compiler, so that all
   loops have fixed ends and a tile of sums stays in registers: as many multiplications as a processor can do,
   where loops over whole arrays do what its cache can carry.

   The file includes itself: its second half is compiled for a vector of samples, and for single ones at the end. */

#ifndef VEC

#include <stddef.h>

#include "vectors.h"
/* Sums in registers: 16 and what they are made of fit into 32 registers, 8 into 16. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define FILTERS_OF_TILE 4
#else
#define FILTERS_OF_TILE 2
#endif
#define LANES ((at)(BYTES / sizeof(REAL)))
#define PLACES_OF_TILE 4
#define EIGHT(number) ((number) < 8 ? (number) : 8)
#define INLINE static inline __attribute__((always_inline))

typedef ptrdiff_t at;
typedef REAL wide __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

INLINE wide wide_filled(REAL value) { return (wide){0} + value; }
INLINE REAL one_filled(REAL value) { return value; }

INLINE double wide_total(wide values) {
    double total = 0;
    for (at lane = 0; lane < LANES; lane++) total += values[lane];
    return total;
}
INLINE double one_total(REAL value) { return value; }

#define VEC wide
#define NAME(name) wide_##name
#include "convolution.c"
#undef VEC
#undef NAME
#define VEC REAL
#define NAME(name) one_##name
#include "convolution.c"

/* Call for vectors of samples, then for those that are left. */
#define ALL_ROWS(function, ...)                                                    \
    at r = 0;                                                                      \
    for (; r + LANES <= rows; r += LANES) wide_##function(__VA_ARGS__);             \
    for (; r < rows; r++) one_##function(__VA_ARGS__)

/* z; without b where `bias` is none. */
void forward(const REAL *image, at image_step, const REAL *kernel, const REAL *bias, REAL *made, at made_step, at rows) {
    ALL_ROWS(forward, image + r, image_step, kernel, bias, made + r, made_step);
}

/* The cotangents of the image for those of z. */
void pull(const REAL *made, at made_step, const REAL *kernel, REAL *image, at image_step, at rows) {
    ALL_ROWS(pull, made + r, made_step, kernel, image + r, image_step);
}

/* The table; with `bias` its last part. */
void table(const REAL *image, at image_step, const REAL *made, at made_step, REAL *table, at table_step, int bias, at rows) {
    ALL_ROWS(table, image + r, image_step, made + r, made_step, table + r, table_step, (double *)0, bias);
}

/* The sum of the table over the samples, added to `total`. */
void gradient(const REAL *image, at image_step, const REAL *made, at made_step, double *total, int bias, at rows) {
    ALL_ROWS(table, image + r, image_step, made + r, made_step, (REAL *)0, 0, total, bias);
}

/* The same for one group of chain.c, whose numbers lie LANES apart: a step that is known to the compiler needs no
   registers for addresses, and the table takes half of the time. */
void group_forward(const REAL *image, const REAL *kernel, const REAL *bias, REAL *made) {
    wide_forward(image, LANES, kernel, bias, made, LANES);
}

void group_pull(const REAL *made, const REAL *kernel, REAL *image) { wide_pull(made, LANES, kernel, image, LANES); }

void group_table(const REAL *image, const REAL *made, REAL *table, at table_step, int bias) {
    wide_table(image, LANES, made, LANES, table, table_step, (double *)0, bias);
}

void group_gradient(const REAL *image, const REAL *made, double *total, int bias) {
    wide_table(image, LANES, made, LANES, (REAL *)0, 0, total, bias);
}

#else

#define GET(pointer) (*(const VEC *)(pointer))
#define PUT(pointer) (*(VEC *)(pointer))
#define IMAGE(c, y, x) (image + (((at)(c) * H + (y)) * W + (x)) * image_step)
#define MADE(f, y, x) (made + (((at)(f) * OH + (y)) * OW + (x)) * made_step)

INLINE void NAME(forward)(const REAL *image, at image_step, const REAL *kernel, const REAL *bias, REAL *made, at made_step) {
    for (int first = 0; first < F; first += EIGHT(F))
        for (int y = 0; y < OH; y++)
            for (int x = 0; x < OW; x++) {
                const int count = F - first < EIGHT(F) ? F - first : EIGHT(F);
                VEC sums[EIGHT(F)];
                for (int f = 0; f < EIGHT(F); f++) sums[f] = NAME(filled)(bias && f < count ? bias[first + f] : 0);
                for (int kh = 0; kh < KH; kh++)
                    for (int kw = 0; kw < KW; kw++)
                        for (int c = 0; c < C; c++) {
                            const VEC seen = GET(IMAGE(c, y * SH + kh * DH, x * SW + kw * DW));
                            const REAL *weights = kernel + ((at)(kh * KW + kw) * C + c) * F + first;
                            if (F % EIGHT(F) == 0 || count == EIGHT(F))
                                for (int f = 0; f < EIGHT(F); f++) sums[f] += seen * weights[f];
                            else
                                for (int f = 0; f < count; f++) sums[f] += seen * weights[f];
                        }
                for (int f = 0; f < count; f++) PUT(MADE(first + f, y, x)) = sums[f];
            }
}

INLINE void NAME(pull)(const REAL *made, at made_step, const REAL *kernel, REAL *image, at image_step) {
    for (int first = 0; first < C; first += EIGHT(C))
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                const int count = C - first < EIGHT(C) ? C - first : EIGHT(C);
                VEC sums[EIGHT(C)];
                for (int c = 0; c < EIGHT(C); c++) sums[c] = NAME(filled)(0);
                for (int kh = 0; kh < KH; kh++) {
                    const int down = y - kh * DH;
                    if (down < 0 || down % SH || down / SH >= OH) continue;
                    for (int kw = 0; kw < KW; kw++) {
                        const int right = x - kw * DW;
                        if (right < 0 || right % SW || right / SW >= OW) continue;
                        const REAL *weights = kernel + ((at)(kh * KW + kw) * C + first) * F;
                        for (int f = 0; f < F; f++) {
                            const VEC back = GET(MADE(f, down / SH, right / SW));
                            if (C % EIGHT(C) == 0 || count == EIGHT(C))
                                for (int c = 0; c < EIGHT(C); c++) sums[c] += back * weights[(at)c * F + f];
                            else
                                for (int c = 0; c < count; c++) sums[c] += back * weights[(at)c * F + f];
                        }
                    }
                }
                for (int c = 0; c < count; c++) PUT(IMAGE(first + c, y, x)) = sums[c];
            }
}

/* What belongs to some neighbouring places of a window and some filters; one of `table` and `total` is given. */
INLINE void NAME(tile)(const REAL *image, at image_step, const REAL *made, at made_step, REAL *table, at table_step,
                       double *total, int kh, int kw, int c, int f, const int places, const int filters) {
    VEC sums[PLACES_OF_TILE][FILTERS_OF_TILE];
    for (int k = 0; k < places; k++)
        for (int g = 0; g < filters; g++) sums[k][g] = NAME(filled)(0);
    for (int y = 0; y < OH; y++)
        for (int x = 0; x < OW; x++) {
            VEC seen[PLACES_OF_TILE], back[FILTERS_OF_TILE];
            for (int k = 0; k < places; k++) seen[k] = GET(IMAGE(c, y * SH + kh * DH, x * SW + (kw + k) * DW));
            for (int g = 0; g < filters; g++) back[g] = GET(MADE(f + g, y, x));
            for (int k = 0; k < places; k++)
                for (int g = 0; g < filters; g++) sums[k][g] += seen[k] * back[g];
        }
    for (int k = 0; k < places; k++)
        for (int g = 0; g < filters; g++) {
            const at row = ((at)(kh * KW + kw + k) * C + c) * F + f + g;
            if (table)
                PUT(table + row * table_step) = sums[k][g];
            else
                total[row] += NAME(total)(sums[k][g]);
        }
}

INLINE void NAME(table)(const REAL *image, at image_step, const REAL *made, at made_step, REAL *table, at table_step,
                        double *total, int bias) {
#define TILES(places, filters) \
    NAME(tile)(image, image_step, made, made_step, table, table_step, total, kh, kw, c, f, places, filters)
    for (int c = 0; c < C; c++)
        for (int kh = 0; kh < KH; kh++) {
            int kw = 0;
            for (; kw + PLACES_OF_TILE <= KW; kw += PLACES_OF_TILE) {
                int f = 0;
                for (; f + FILTERS_OF_TILE <= F; f += FILTERS_OF_TILE) TILES(PLACES_OF_TILE, FILTERS_OF_TILE);
                for (; f < F; f++) TILES(PLACES_OF_TILE, 1);
            }
            for (; kw < KW; kw++) {
                int f = 0;
                for (; f + FILTERS_OF_TILE <= F; f += FILTERS_OF_TILE) TILES(1, FILTERS_OF_TILE);
                for (; f < F; f++) TILES(1, 1);
            }
        }
#undef TILES
    for (int f = 0; bias && f < F; f++) {
        VEC sum = NAME(filled)(0);
        for (int place = 0; place < OH * OW; place++) sum += GET(MADE(f, 0, place));
        if (table)
            PUT(table + ((at)KH * KW * C * F + f) * table_step) = sum;
        else
            total[(at)KH * KW * C * F + f] += NAME(total)(sum);
    }
}

#undef GET
#undef PUT
#undef IMAGE
#undef MADE

#endif
