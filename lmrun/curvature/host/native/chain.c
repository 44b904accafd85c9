/* A chain of convolutions, sample by sample through all its layers: what a group of samples makes stays in the
   cache from the first layer to the last, and on the way back from the loss to its columns of the Jacobian.

   memory   [groups][held][LANES]   all numbers of a group, its samples side by side: inputs, images and values
   rows     [numbers][rows]         what the rest of lmrun has, `step` numbers from one row to the next

   REAL, and WHOLE, the unsigned integer of its length, are given to the compiler; the layers' own functions are those
   of convolution.c. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vectors.h"
#define LANES ((at)(BYTES / sizeof(REAL)))
#define SINGLE (sizeof(REAL) == 4)
#define INLINE static inline __attribute__((always_inline))
#define GROUPS_AT_ONCE 8 /* rows are read by as many lines of the cache */

typedef ptrdiff_t at;
typedef REAL wide __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef WHOLE wholes __attribute__((vector_size(BYTES)));

typedef struct {
    void (*forward)(const REAL *image, const REAL *kernel, const REAL *bias, REAL *made);
    void (*pull)(const REAL *made, const REAL *kernel, REAL *image);
    void (*table)(const REAL *image, const REAL *made, REAL *table, at table_step, int bias);
    void (*gradient)(const REAL *image, const REAL *made, double *total, int bias);
    void (*apply)(REAL *values, at count); /* f; none for the identity */
    void (*slope)(const REAL *values, REAL *cotangents, at count);
    const int *from;           /* [read]: which number before stands there, below 0 zero; none for all as they are */
    at read, made;             /* numbers: of the padded image, and of the outputs */
    at before, image, values;  /* where they stand in a group: the values before, the image, the outputs */
    at start, weights, biases; /* of the parameters: the first, how many in K, and in b */
} layer;

at lanes(void) { return LANES; }

#define SIZE(x) ((REAL)__builtin_fabs(x))

/* exp(x) = 2^k (1 + rest), rest = exp(r) - 1, |r| <= ln 2 / 2, for |x| <= 700 (float 87); ln 2 in two parts as by Cody
   and Waite, Software Manual for the Elementary Functions (1980), chapter 6, Taylor's series up to the last bit. What
   is not a number stays that. Loops over it become loops over vectors, as those over the C library's do not. */
INLINE REAL exponential(REAL x, REAL *rest) {
    static const double inverse_factorials[] = {
        1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,        1. / 5040,
        1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};
    const REAL shift = SINGLE ? 0x1.8p23 : 0x1.8p52; /* added and taken away, it rounds to the next integer */
    const REAL shifted = x * (REAL)1.44269504088896340736 + shift, k = shifted - shift;
    const REAL r = x - k * (REAL)(SINGLE ? 0.693359375 : 6.93145751953125e-1) -
                   k * (REAL)(SINGLE ? -2.12194440e-4 : 1.42860682030941723212e-6);
    REAL series = 0;
#pragma GCC unroll 13
    for (int i = SINGLE ? 6 : 12; i >= 0; i--) series = series * r + (REAL)inverse_factorials[i];
    union { REAL real; WHOLE whole; } power = {shifted};
    power.whole = (power.whole << (SINGLE ? 23 : 52)) + (SINGLE ? (WHOLE)127 << 23 : (WHOLE)1023 << 52);
    *rest = series * r;
    return power.real;
}

/* tanh(x) = e / (e + 2), e = exp(2 x) - 1, whose relative error is small near zero, too. */
INLINE REAL hyperbolic_tangent(REAL x) {
    const REAL twice = 2 * SIZE(x);
    REAL rest;
    const REAL power = exponential(40 < twice ? 40 : twice, &rest), e = power * rest + (power - 1);
    return (REAL)__builtin_copysign(e / (e + 2), x);
}

/* 1 / (1 + exp(-x)) by exp(-|x|) <= 1 alone: nothing overflows. */
INLINE REAL logistic(REAL x) {
    const REAL size = SIZE(x), most = SINGLE ? 87 : 700;
    REAL rest;
    const REAL power = exponential(-(most < size ? most : size), &rest);
    const REAL small = power * rest + power;
    return (x < 0 ? small : 1) / (1 + small);
}

/* y = f(z) in place, and the cotangents of z from those of y, f' written in y. */
#define ACTIVATION(name, value, derivative)                                                           \
    void apply_##name(REAL *values, at count) {                                                       \
        for (at i = 0; i < count; i++) {                                                              \
            const REAL z = values[i];                                                                 \
            values[i] = value;                                                                        \
        }                                                                                             \
    }                                                                                                 \
    void slope_##name(const REAL *restrict values, REAL *restrict cotangents, at count) {             \
        for (at i = 0; i < count; i++) {                                                              \
            const REAL y = values[i];                                                                 \
            cotangents[i] *= derivative;                                                              \
        }                                                                                             \
    }
ACTIVATION(tanh, hyperbolic_tangent(z), (1 - y * y))
ACTIVATION(sigmoid, logistic(z), (y * (1 - y)))
ACTIVATION(relu, (z < 0 ? 0 : z), (REAL)(y > 0))

/* Rows to lanes; what is missing to a whole group repeats the last sample, so that it is finite if that is. */
INLINE void gather(const REAL *rows, at step, at inputs, at count, REAL *memory, at held) {
    for (at number = 0; number < inputs; number++)
        for (at first = 0; first < count; first += LANES) {
            const REAL *from = rows + number * step + first;
            REAL *to = memory + first * held + number * LANES;
            const at real = count - first;
            if (real >= LANES)
                memcpy(to, from, LANES * sizeof(REAL));
            else
                for (at lane = 0; lane < LANES; lane++) to[lane] = from[lane < real ? lane : real - 1];
        }
}

/* The same of samples [count][inputs], whose i-th number is the order[i]-th of a group: squares of LANES samples and
   numbers are transposed by exchanging what lies across the diagonals of squares in them, larger and larger ones. */
INLINE void gather_samples(const REAL *samples, at step, const int *order, at inputs, at count, REAL *group) {
    at number = 0;
#ifndef __clang__ /* it cannot shuffle so */
    for (; number + LANES <= inputs; number += LANES) {
        wide square[LANES];
        for (at lane = 0; lane < LANES; lane++)
            square[lane] = *(const wide *)(samples + (lane < count ? lane : count - 1) * step + number);
#pragma GCC unroll 4
        for (at size = 1; size < LANES; size *= 2) {
            wholes upper, lower;
#pragma GCC unroll 16
            for (at lane = 0; lane < LANES; lane++) {
                upper[lane] = lane & size ? LANES + lane - size : lane;
                lower[lane] = lane & size ? LANES + lane : lane + size;
            }
#pragma GCC unroll 16
            for (at lane = 0; lane < LANES; lane++)
                if (!(lane & size)) {
                    const wide one = square[lane], other = square[lane + size];
                    square[lane] = __builtin_shuffle(one, other, upper);
                    square[lane + size] = __builtin_shuffle(one, other, lower);
                }
        }
        for (at lane = 0; lane < LANES; lane++) *(wide *)(group + order[number + lane] * LANES) = square[lane];
    }
#endif
    for (; number < inputs; number++)
        for (at lane = 0; lane < LANES; lane++)
            group[order[number] * LANES + lane] = samples[(lane < count ? lane : count - 1) * step + number];
}

/* The image that a layer reads, of the values before it. */
INLINE void move(const layer *l, REAL *group) {
    for (at number = 0; number < l->read; number++) {
        REAL *image = group + (l->image + number) * LANES;
        if (l->from[number] < 0)
            memset(image, 0, LANES * sizeof(REAL));
        else
            memcpy(image, group + (l->before + l->from[number]) * LANES, LANES * sizeof(REAL));
    }
}

/* Outputs [outputs][count] of rows [inputs][count], with an order of samples [count][inputs]; `memory` is filled. */
void forward(const layer *layers, int depth, const REAL *params, const REAL *rows, at step, const int *order, at inputs,
             at count, REAL *memory, at held, REAL *outputs, at outputs_step) {
    for (at first = 0; first < count; first += LANES) {
        REAL *group = memory + first * held;
        const at left = count - first, most = GROUPS_AT_ONCE * LANES;
        if (order)
            gather_samples(rows + first * step, step, order, inputs, left, group);
        else if (first % most == 0)
            gather(rows + first, step, inputs, left < most ? left : most, group, held);
        for (int place = 0; place < depth; place++) {
            const layer *l = layers + place;
            const REAL *kernel = params + l->start;
            REAL *values = group + l->values * LANES;
            if (l->from) move(l, group);
            l->forward(group + l->image * LANES, kernel, l->biases ? kernel + l->weights : NULL, values);
            if (l->apply) l->apply(values, l->made * LANES);
        }
        const layer *last = layers + depth - 1;
        for (at output = 0; output < last->made; output++)
            memcpy(outputs + output * outputs_step + first, group + (last->values + output) * LANES,
                   (left < LANES ? left : LANES) * sizeof(REAL));
    }
}

/* Pull seeds [outputs][rows] of the samples first <= i < last back, and write their columns of the table, or add
   their gradients up in `total`.

   room   for the cotangents of two layers, `widest` numbers each, and for a group's part of the table */
void backward(const layer *layers, int depth, const REAL *params, const REAL *memory, at held, const REAL *seed,
              at seed_step, at first, at last, REAL *table, at table_step, double *total, REAL *room, at widest) {
    REAL *const part = room + 2 * widest * LANES;
    for (at group = first / LANES; group * LANES < last; group++) {
        const REAL *own = memory + group * held * LANES;
        const at begin = group * LANES < first ? first - group * LANES : 0;
        const at end = last - group * LANES < LANES ? last - group * LANES : LANES;
        REAL *cotangents = room, *other = room + widest * LANES;
        for (at number = 0; number < layers[depth - 1].made; number++)
            for (at lane = 0; lane < LANES; lane++)
                cotangents[number * LANES + lane] =
                    lane < begin || lane >= end ? 0 : seed[number * seed_step + group * LANES + lane];
        for (int place = depth - 1;; place--) {
            const layer *l = layers + place;
            const REAL *image = own + l->image * LANES;
            const at rows = l->weights + l->biases;
            if (l->slope) l->slope(own + l->values * LANES, cotangents, l->made * LANES);
            if (total)
                l->gradient(image, cotangents, total + l->start, l->biases > 0);
            else if (begin == 0 && end == LANES)
                l->table(image, cotangents, table + l->start * table_step + group * LANES - first, table_step, l->biases > 0);
            else {
                l->table(image, cotangents, part, LANES, l->biases > 0);
                for (at row = 0; row < rows; row++)
                    memcpy(table + (l->start + row) * table_step + group * LANES + begin - first, part + row * LANES + begin,
                           (end - begin) * sizeof(REAL));
            }
            if (place == 0) break;
            l->pull(cotangents, params + l->start, other);
            if (l->from) {
                for (at number = 0; number < l->read; number++)
                    if (l->from[number] >= 0)
                        memcpy(cotangents + l->from[number] * LANES, other + number * LANES, LANES * sizeof(REAL));
            } else {
                REAL *const swapped = cotangents;
                cotangents = other;
                other = swapped;
            }
        }
    }
}
