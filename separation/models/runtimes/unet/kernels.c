/* The arithmetic of the network on a CPU: matrix products, and convolutions by S. Winograd's minimal filtering.

   A convolution of kernel 5 and stride 2 is the sum of four of stride 1, one for each phase (even or odd) of lines and
   of columns, with three or two taps a line; a transposed one is four such for the phases of its answer
   (separation/models/importers/phases.py). Each is computed in tiles of 4 x 4 answers with 6 x 6 multiplications in place of 4 x 4 x 9:
   A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. Six numbers of a line are turned
   into the values of their polynomial at six points; there convolution is multiplication, and the phases add up before
   anything is turned back. At one of the points a phase of two taps is 0, so with four phases 121 products stand for
   400. Rounding grows to about 2e-5 of the largest answer.

   Layout: (lines, columns, channels), channels next to each other, images within a border of zeros. Where tiles and rows
   lie stands in tables (geometry.py), so that one call takes tiles of several images. Positions count floats. Nothing is
   checked and nothing is allocated here; network.py makes the tables and the arrays. Sums are taken in one order
   whatever the number of threads or tiles, and whatever the vectors' width, so the same input gives the same bits. */

#include <stdint.h>

#ifdef __AVX512F__
#define WIDTH 16     /* floats in a vector; channels and columns are multiples of it */
#else
#define WIDTH 8
#endif
#define PANEL 16     /* columns of a panel of weights, which lie as (columns / PANEL, depth, PANEL) */
#define ROWS 6       /* rows come in multiples of it: 6 x 16 sums are what the registers of AVX2 hold, 12 x 32 those of AVX-512 */
#define TILE 4       /* answers of a tile in each direction */
#define WINDOW 6     /* numbers that they depend on */
#define POINTS 36

typedef int64_t place;
typedef float vector __attribute__((ext_vector_type(WIDTH)));
typedef vector unaligned __attribute__((aligned(4)));
typedef int32_t lanes __attribute__((ext_vector_type(WIDTH)));

static inline vector load(const float *numbers) { return *(const unaligned *)numbers; }
static inline void store(float *numbers, vector value) { *(unaligned *)numbers = value; }
static inline vector filled(float n) { return (vector)n; }
/* a where either is NaN, so that a NaN in it comes out at the end of the network. */
static inline vector larger(vector a, vector b) { return b > a ? b : a; }
static inline vector multiply_add(vector a, vector b, vector c) { return __builtin_elementwise_fma(a, b, c); }
static void clear(float *numbers, place count)
{
    for (place n = 0; n < count; n++)
        numbers[n] = 0;
}
static inline place rounded_up(place count) { return (count + ROWS - 1) / ROWS * ROWS; }

/* A distance of at least so many numbers at which the points of a tile do not meet in one set of the cache. */
static inline place pitch_of(place numbers) { return numbers + ((16 - numbers) % 1024 + 1024) % 1024; }

#define EACH(n, count) _Pragma("clang loop unroll(full)") for (int n = 0; n < (count); n++)

/* Of multiply: rows in groups of ROWS, and vectors of columns whose weights are step apart, those of the next columns ahead.

   The counts are constants in every call, so that each sum has a register of its own. */
static inline __attribute__((always_inline)) void multiply_block(
    int groups, int vectors, place step, place ahead, const float *a, const place *rows, const place *lines, place pieces,
    place depth, const float *weights, float *c, place pitch)
{
    vector sums[2 * ROWS][2];
    EACH(r, groups * ROWS) EACH(v, vectors) sums[r][v] = 0;
    for (place piece = 0; piece < pieces; piece++) {
        const float *from[2 * ROWS];
        EACH(r, groups * ROWS) from[r] = a + piece * lines[r / ROWS] + rows[r];
        for (place k = 0; k < depth; k++, weights += PANEL) {
            vector weight[2];
            EACH(v, vectors) weight[v] = load(weights + v * step);
            EACH(v, vectors) __builtin_prefetch(weights + v * step + ahead); /* comes from further away */
            EACH(r, groups * ROWS) EACH(v, vectors) sums[r][v] = multiply_add(filled(from[r][k]), weight[v], sums[r][v]);
        }
    }
    EACH(r, groups * ROWS) EACH(v, vectors) store(c + r * pitch + v * WIDTH, sums[r][v]);
}

/* As multiply_block, for all rows. */
static inline __attribute__((always_inline)) void multiply_columns(
    int groups, int vectors, place step, place ahead, const float *a, const place *rows, const place *lines, place count,
    place pieces, place depth, const float *weights, float *c, place pitch)
{
    place row = 0;
    for (; row + groups * ROWS <= count; row += groups * ROWS)
        multiply_block(groups, vectors, step, ahead, a, rows + row, lines + row / ROWS, pieces, depth, weights, c + row * pitch, pitch);
    if (groups > 1 && row < count) /* one group is left */
        multiply_block(1, vectors, step, ahead, a, rows + row, lines + row / ROWS, pieces, depth, weights, c + row * pitch, pitch);
}

/* c[r * pitch + n] = sum over pieces p and k of a[rows[r] + p * lines[r / ROWS] + k] * weights[(p * depth + k), n]

   count rows, a multiple of ROWS, each of pieces of depth numbers; columns is a multiple of PANEL. */
static __attribute__((noinline)) void multiply(const float *a, const place *rows, const place *lines, place count, place pieces, place depth,
                     const float *weights, float *c, place pitch, place columns)
{
    place panel = pieces * depth * PANEL, column = 0;
#if WIDTH < PANEL /* a panel is two vectors */
    for (; column < columns; column += PANEL, weights += panel)
        multiply_columns(1, 2, WIDTH, panel, a, rows, lines, count, pieces, depth, weights, c + column, pitch);
#else /* two panels are, where there are two */
    for (; column + PANEL < columns; column += 2 * PANEL, weights += 2 * panel)
        multiply_columns(2, 2, panel, 2 * panel, a, rows, lines, count, pieces, depth, weights, c + column, pitch);
    if (column < columns)
        multiply_columns(2, 1, 0, panel, a, rows, lines, count, pieces, depth, weights, c + column, pitch);
#endif
}

/* Six numbers as values at 0, 1, -1, 2, -2 and infinity, up to factors that are in the weights. */
static inline void to_values(const vector d[WINDOW], vector v[WINDOW])
{
    vector even_one = d[4] - 4 * d[2], odd_one = d[3] - 4 * d[1];
    vector even_two = d[4] - d[2], odd_two = 2 * (d[3] - d[1]);
    v[0] = 4 * d[0] + (d[4] - 5 * d[2]);
    v[1] = even_one + odd_one;
    v[2] = even_one - odd_one;
    v[3] = even_two + odd_two;
    v[4] = even_two - odd_two;
    v[5] = 4 * d[1] + (d[5] - 5 * d[3]);
}

/* Four answers from the products at the six points. */
static inline void to_answers(const vector m[WINDOW], vector y[TILE])
{
    vector sum_one = m[1] + m[2], difference_one = m[1] - m[2];
    vector sum_two = m[3] + m[4], difference_two = m[3] - m[4];
    y[0] = m[0] + sum_one + sum_two;
    y[1] = difference_one + 2 * difference_two;
    y[2] = sum_one + 4 * sum_two;
    y[3] = difference_one + 8 * difference_two + m[5];
}

/* The window of a tile, its numbers line and column apart, to values[point * pitch + channel]. */
static void tile_values(const float *image, place line, place column, place channels, float *values, place pitch)
{
    for (place channel = 0; channel < channels; channel += WIDTH) {
        vector half[WINDOW][WINDOW], in[WINDOW], out[WINDOW];
        for (int j = 0; j < WINDOW; j++) {
            for (int i = 0; i < WINDOW; i++)
                in[i] = load(image + i * line + j * column + channel);
            to_values(in, out);
            for (int i = 0; i < WINDOW; i++)
                half[i][j] = out[i];
        }
        for (int i = 0; i < WINDOW; i++) {
            to_values(half[i], out);
            for (int j = 0; j < WINDOW; j++)
                store(values + (i * WINDOW + j) * pitch + channel, out[j]);
        }
    }
}

/* The products of a tile, products[point * pitch], to its answers. */
static inline void tile_answers(const float *products, place pitch, vector answers[TILE][TILE])
{
    vector half[TILE][WINDOW], in[WINDOW], out[TILE];
    for (int j = 0; j < WINDOW; j++) {
        for (int i = 0; i < WINDOW; i++)
            in[i] = load(products + (i * WINDOW + j) * pitch);
        to_answers(in, out);
        for (int i = 0; i < TILE; i++)
            half[i][j] = out[i];
    }
    for (int i = 0; i < TILE; i++)
        to_answers(half[i], answers[i]);
}

/* The phases 0 to 3 are: odd lines and even columns, odd and odd, even and odd, even and even. In this order those that
   count where one direction is at the point at which two taps are 0 are neighbours. */
static const int ODD_LINE[4] = {1, 1, 0, 0}, ODD_COLUMN[4] = {0, 1, 1, 0};

/* The phases [begin, end) that count at a point, if those of two taps are 0 at the point silent of a direction. */
static inline void phases_at(int point, int silent, place *begin, place *end)
{
    int line = point / WINDOW == silent, column = point % WINDOW == silent;
    *begin = column ? 1 : 0;
    *end = line && column ? 2 : line ? 2 : column ? 3 : 4;
}

/* A batch norm after training, and the leaky ReLU. */
typedef struct {
    const float *bias, *scale, *shift;
    float slope;
} activation;

static inline vector activated(vector plain, const activation *how, place channel)
{
    vector normal = multiply_add(load(how->scale + channel), plain, load(how->shift + channel));
    return larger(normal, normal * how->slope);
}

/* A matrix of weights for each point, and its begins. */
typedef struct {
    const float *numbers;
    const place *points;
} point_weights;

/* Where a tile of a convolution reads, and where it writes its plain and its activated answers. */
typedef struct {
    place image, image_line, skip, skip_line, following, following_line, width;
} convolution_tile;

/* Where a tile of a transposed convolution reads and writes. */
typedef struct {
    place image, image_line, answer, answer_line, width;
} transposed_tile;

/* Rows of a matrix that lie one after the other. */
typedef struct {
    const place *rows, *lines;
} matrix;

/* Of count tiles all four phases: values[point * pitch + (tile * 4 + phase) * channels]. */
void convolution_values(const convolution_tile *tiles, place count, const float *image, place channels, float *values,
                        place pitch)
{
    for (place tile = 0; tile < count; tile++)
        for (int phase = 0; phase < 4; phase++) {
            place line = tiles[tile].image_line;
            const float *corner = image + tiles[tile].image + ODD_LINE[phase] * line + ODD_COLUMN[phase] * channels;
            tile_values(corner, 2 * line, 2 * channels, channels, values + (tile * 4 + phase) * channels, pitch);
        }
}

/* At the points [begin, end), of count tiles, a multiple of ROWS. */
void convolution_products(place begin, place end, const float *values, place pitch, place count, place channels,
                          const point_weights *weights, place outputs, float *products, place product_pitch,
                          const matrix *matrix)
{
    for (place point = begin; point < end; point++) {
        place first, last;
        phases_at(point, 0, &first, &last);
        multiply(values + point * pitch + first * channels, matrix->rows, matrix->lines, count, 1, (last - first) * channels,
                 weights->numbers + weights->points[point], products + point * product_pitch, outputs, outputs);
    }
}

void convolution_answers(const convolution_tile *tiles, place count, const float *products, place pitch,
                         const activation *how, place outputs, float *skip, place skip_channels, float *following)
{
    for (place tile = 0; tile < count; tile++) {
        const convolution_tile *t = tiles + tile;
        for (place output = 0; output < outputs; output += WIDTH) {
            vector answers[TILE][TILE];
            tile_answers(products + tile * outputs + output, pitch, answers);
            for (int i = 0; i < TILE; i++)
                for (int j = 0; j < t->width; j++) {
                    vector plain = answers[i][j] + load(how->bias + output);
                    store(skip + t->skip + i * t->skip_line + j * skip_channels + output, plain);
                    store(following + t->following + i * t->following_line + j * outputs + output, activated(plain, how, output));
                }
        }
    }
}

/* Convolution 5 x 5, stride 2, of the tiles [first, last), block of them at a time. */
void convolve(const convolution_tile *tiles, place first, place last, place block, const float *image, place channels,
              const point_weights *weights, const activation *how, place outputs, float *skip, place skip_channels,
              float *following, float *values, float *products, const matrix *matrix)
{
    for (place begin = first; begin < last; begin += block) {
        place count = last - begin < block ? last - begin : block, padded = rounded_up(count);
        place pitch = pitch_of(padded * 4 * channels), product_pitch = pitch_of(padded * outputs);
        convolution_values(tiles + begin, count, image, channels, values, pitch);
        convolution_products(0, POINTS, values, pitch, padded, channels, weights, outputs, products, product_pitch, matrix);
        convolution_answers(tiles + begin, count, products, product_pitch, how, outputs, skip, skip_channels, following);
    }
}

/* As convolution_values, for the one phase that the image of a transposed convolution has. */
void transposed_values(const transposed_tile *tiles, place count, const float *image, place channels, float *values,
                       place pitch)
{
    for (place tile = 0; tile < count; tile++)
        tile_values(image + tiles[tile].image, tiles[tile].image_line, channels, channels, values + tile * channels, pitch);
}

/* At the points [begin, end), of count tiles; zeros for the phases that do not count there. */
void transposed_products(place begin, place end, const float *values, place pitch, place count, place channels,
                         const point_weights *weights, place outputs, float *products, place product_pitch,
                         const matrix *matrix)
{
    place wide = 4 * outputs;
    for (place point = begin; point < end; point++) {
        place first, last;
        float *there = products + point * product_pitch;
        phases_at(point, WINDOW - 1, &first, &last);
        if (last - first < 4)
            clear(there, count * wide);
        multiply(values + point * pitch, matrix->rows, matrix->lines, count, 1, channels,
                 weights->numbers + weights->points[point], there + first * outputs, wide, (last - first) * outputs);
    }
}

/* What a transposed convolution adds to each output, and the least that its ReLU and batch norm leave of it. */
typedef struct {
    const float *bias, *floor;
} rectification;

void transposed_answers(const transposed_tile *tiles, place count, const float *products, place pitch,
                        const rectification *how, place outputs, float *answer, place answer_channels)
{
    for (place tile = 0; tile < count; tile++) {
        const transposed_tile *t = tiles + tile;
        for (int phase = 0; phase < 4; phase++)
            for (place output = 0; output < outputs; output += WIDTH) {
                vector answers[TILE][TILE];
                tile_answers(products + (tile * 4 + phase) * outputs + output, pitch, answers);
                float *corner = answer + t->answer + ODD_LINE[phase] * t->answer_line + ODD_COLUMN[phase] * answer_channels + output;
                for (int i = 0; i < TILE; i++)
                    for (int j = 0; j < t->width; j++)
                        store(corner + 2 * i * t->answer_line + 2 * j * answer_channels,
                              larger(answers[i][j] + load(how->bias + output), load(how->floor + output)));
            }
    }
}

/* Transposed convolution 5 x 5, stride 2, of the tiles [first, last), block of them at a time. */
void convolve_transposed(const transposed_tile *tiles, place first, place last, place block, const float *image,
                         place channels, const point_weights *weights, const rectification *how, place outputs, float *answer,
                         place answer_channels, float *values, float *products, const matrix *matrix)
{
    for (place begin = first; begin < last; begin += block) {
        place count = last - begin < block ? last - begin : block, padded = rounded_up(count);
        place pitch = pitch_of(padded * channels), product_pitch = pitch_of(padded * 4 * outputs);
        transposed_values(tiles + begin, count, image, channels, values, pitch);
        transposed_products(0, POINTS, values, pitch, padded, channels, weights, outputs, products, product_pitch, matrix);
        transposed_answers(tiles + begin, count, products, product_pitch, how, outputs, answer, answer_channels);
    }
}

/* A plain matrix product, columns of its columns from number column on; where few answers share large weights.

   Row r goes to answer[places[r] + column], or nowhere where its place is negative. */
void convolve_directly(const float *image, const place *rows, const place *lines, const place *places, place count,
                       place pieces, place depth, const float *weights, const rectification *how, place column, place columns,
                       float *answer, float *products)
{
    multiply(image, rows, lines, count, pieces, depth, weights, products, columns, columns);
    for (place row = 0; row < count; row++)
        if (places[row] >= 0)
            for (place n = 0; n < columns; n += WIDTH)
                store(answer + places[row] + column + n,
                      larger(load(products + row * columns + n) + load(how->bias + column + n), load(how->floor + column + n)));
}

/* The first convolution: what it reads, and its weights. */
typedef struct {
    const float *spectrogram, *weights;
    activation how;
    place outputs;
    const place *columns; /* begins of the windows of a line, completed to a multiple of ROWS */
} first_convolution;

/* Plain answers of one line, its first window at begin: those of the columns [left, right) of wide. */
static void first_line(const first_convolution *first, place begin, const place *line, place left, place right, place wide,
                       float *answer, place pitch, float *products)
{
    place outputs = first->outputs;
    multiply(first->spectrogram + begin, first->columns, line, rounded_up(wide), 5, 10, first->weights, products, outputs, outputs);
    for (place column = left; column < right; column++)
        for (place output = 0; output < outputs; output += WIDTH)
            store(answer + column * pitch + output, load(products + column * outputs + output) + load(first->how.bias + output));
}

/* Tiles of the second convolution with the part of the first one's answers, the region, that they read. */
typedef struct {
    place spectrogram;              /* the first window of the region */
    place lines, columns;           /* of the region */
    place top, bottom, left, right; /* what of it is inside the image: [top, bottom), [left, right) */
    place tile, tile_lines, tile_columns;
    place image;
} first_block;

/* The first two convolutions, of the blocks [begin, end).

   The answers of the first are as large as all others together, so that each block makes those that it needs, at the
   price of making a quarter of them twice. line: of each image the length of a line of the spectrogram, repeated for every
   ROWS columns, stride numbers apart. */
void convolve_twice(const first_block *blocks, place begin, place end, const first_convolution *first, const place *line,
                    place stride, const convolution_tile *tiles, const point_weights *weights, const activation *how,
                    place outputs, float *skip, place skip_channels, float *following, float *region, float *values,
                    float *products, const matrix *matrix)
{
    place channels = first->outputs;
    for (const first_block *block = blocks + begin; block < blocks + end; block++) {
        const place *lines = line + block->image * stride;
        place pitch = block->columns * channels;
        clear(region, block->lines * pitch);
        for (place number = block->top; number < block->bottom; number++) {
            float *there = region + number * pitch;
            first_line(first, block->spectrogram + 2 * number * lines[0], lines, block->left, block->right, block->columns,
                       there, channels, products);
            for (place column = block->left; column < block->right; column++)
                for (place channel = 0; channel < channels; channel += WIDTH) {
                    float *p = there + column * channels + channel;
                    store(p, activated(load(p), &first->how, channel));
                }
        }
        place count = block->tile_lines * block->tile_columns, padded = rounded_up(count);
        place value_pitch = pitch_of(padded * 4 * channels), product_pitch = pitch_of(padded * outputs);
        for (place tile = 0; tile < count; tile++)
            for (int phase = 0; phase < 4; phase++) {
                place corner_line = 8 * (tile / block->tile_columns) + ODD_LINE[phase];
                place corner_column = 8 * (tile % block->tile_columns) + ODD_COLUMN[phase];
                tile_values(region + corner_line * pitch + corner_column * channels, 2 * pitch, 2 * channels, channels,
                            values + (tile * 4 + phase) * channels, value_pitch);
            }
        convolution_products(0, POINTS, values, value_pitch, padded, channels, weights, outputs, products, product_pitch, matrix);
        convolution_answers(tiles + block->tile, count, products, product_pitch, how, outputs, skip, skip_channels, following);
    }
}

/* What the transposed convolution to one channel reads besides the first convolution's answers, and where it writes. */
typedef struct {
    place spectrogram, image, image_line, lines, columns, answer, answer_line;
} last_plane;

/* The transposed convolution to one channel, of the image's lines [begin, end).

   Half of what it reads is the skip of the first convolution, which is made again: that takes less time than to store and
   load it. Every line is multiplied once, by the taps of both phases of columns: for each of the kernel's five lines an
   even and an odd answer. An even line of answers is the sum of two such, an odd one of three. rows: begins of the windows
   of three columns in the strip. */
void convolve_last(const first_convolution *first, const place *first_line_length, const last_plane *plane, const float *image,
                   place begin, place end, const matrix *rows, const float *weights, float bias, float floor, float *answer,
                   float *strip, float *products)
{
    place channels = first->outputs, both = 2 * channels, columns = plane->columns;
    place size = rounded_up(columns) * PANEL;
    clear(strip, both);
    clear(strip + (columns + 1) * both, both);
    for (place line = begin - 1; line <= end; line++) {
        float *there = products + (line - begin + 1) * size;
        if (line < 0 || line >= plane->lines) {
            clear(there, size);
            continue;
        }
        first_line(first, plane->spectrogram + 2 * line * first_line_length[0], first_line_length, 0, columns, columns,
                   strip + both, both, there);
        for (place column = 0; column < columns; column++)
            for (place channel = 0; channel < channels; channel += WIDTH)
                store(strip + (column + 1) * both + channels + channel,
                      load(image + plane->image + line * plane->image_line + column * channels + channel));
        multiply(strip, rows->rows, rows->lines, rounded_up(columns), 1, 3 * both, weights, there, PANEL, PANEL);
    }
    for (place line = begin; line < end; line++) {
        const float *above = products + (line - begin) * size, *at = above + size, *below = at + size;
        float *even = answer + plane->answer + 2 * line * plane->answer_line, *odd = even + plane->answer_line;
        for (place column = 0; column < columns; column++)
            for (int phase = 0; phase < 2; phase++) {
                place p = column * PANEL + phase;
                float upper = at[p + 2] + above[p + 6] + bias, lower = below[p] + at[p + 4] + above[p + 8] + bias;
                even[2 * column + phase] = floor > upper ? floor : upper; /* NaN stays, as in larger */
                odd[2 * column + phase] = floor > lower ? floor : lower;
            }
    }
}

/* 1 / (1 + exp(-x)), to about two units in the last place of the exponential; NaN where x is not finite. */
static inline vector sigmoid(vector x)
{
    vector limited = larger(filled(-87), -larger(filled(-87), -x)); /* a number, whatever x is */
    vector whole = __builtin_elementwise_roundeven(limited * 1.44269504088896341f);
    vector rest = limited - whole * 0.693359375f + whole * 2.12194440e-4f;
    vector power = filled(1.9875691500e-4f);
    power = power * rest + 1.3981999507e-3f;
    power = power * rest + 8.3334519073e-3f;
    power = power * rest + 4.1665795894e-2f;
    power = power * rest + 1.6666665459e-1f;
    power = power * rest + 5.0000001201e-1f;
    power = power * rest * rest + rest + 1;
    lanes scale = (__builtin_convertvector(whole, lanes) + 127) << 23;
    vector exponential = power * (vector)scale;
    return exponential / (1 + exponential) + (x - x);
}

/* The mask: convolution 4 x 4, dilation 2, of one channel to one, and the sigmoid; lines [begin, end) of columns each. */
void convolve_to_mask(const float *image, place line, place begin, place end, place columns, const float *weights, float bias,
                      float *mask)
{
    for (place number = begin; number < end; number++)
        for (place column = 0; column < columns; column += WIDTH) {
            vector total = filled(bias);
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    total = multiply_add(filled(weights[4 * i + j]), load(image + (number + 2 * i) * line + column + 2 * j), total);
            store(mask + number * columns + column, sigmoid(total));
        }
}
