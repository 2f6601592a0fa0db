/* Loops over samples, each of which NumPy would go through in many passes: loudness, extremes, the split into whole
   numbers, and their interleaving (loudness.py, waveform.py, split.py, encode.py, where the formulas have their sources).

   Planes: the samples of a channel next to each other, its plane so many numbers from the next one's. Nothing is checked
   and nothing is allocated. Plain C, so that one source serves processors with and without AVX; sums are taken in one
   order, so the same input gives the same bits. */

#include <stdint.h>

#define SIDE 16 /* numbers that are compared, or added up, side by side */

typedef int64_t place;

static inline place smaller(place a, place b) { return a < b ? a : b; }

/* To the next whole number, half to even: beyond this one a double has no digits after the point. */
static inline float rounded(float number) { return (float)((number + 6755399441055744.0) - 6755399441055744.0); }

/* Passes a plane through two recursive filters, each b0, b1, b2, a1, a2 with a0 = 1, and sums the squares.

   state: what both filters remember, two numbers each, and the sum since the last whole segment, which began filled
   samples ago. weight / segment times the sum is added to one of the energies whenever a segment is whole. */
static void weigh(const float *restrict samples, place count, const double *restrict filters, double *restrict state,
                  place segment, place filled, double weight, double *restrict energies)
{
    const double *shelf = filters, *rumble = filters + 5;
    double s = state[0], t = state[1], u = state[2], v = state[3], sum = state[4];
    while (count > 0) {
        place run = smaller(segment - filled, count);
        for (place k = 0; k < run; k++) {
            double x = samples[k], y = shelf[0] * x + s;
            s = shelf[1] * x - shelf[3] * y + t;
            t = shelf[2] * x - shelf[4] * y;
            double z = rumble[0] * y + u;
            u = rumble[1] * y - rumble[3] * z + v;
            v = rumble[2] * y - rumble[4] * z;
            sum += z * z;
        }
        samples += run;
        count -= run;
        filled += run;
        if (filled == segment) {
            *energies++ += weight * sum / (double)segment;
            sum = 0;
            filled = 0;
        }
    }
    state[0] = s, state[1] = t, state[2] = u, state[3] = v, state[4] = sum;
    /* What silence leaves of a sound would at last be numbers so small that a processor takes a hundred times as long. */
    for (place k = 0; k < 4; k++)
        if (state[k] < 1e-100 && state[k] > -1e-100)
            state[k] = 0;
}

/* Adds to energies the mean square of every segment that becomes whole, all channels by their weights. states: five
   numbers a channel, as above. */
void add_energies(const float *planes, place apart, place channels, place count, const double *filters, double *states,
                  const double *weights, place segment, place filled, double *energies)
{
    for (place channel = 0; channel < channels; channel++)
        weigh(planes + channel * apart, count, filters, states + 5 * channel, segment, filled, weights[channel], energies);
}

/* The lowest and the highest number of consecutive stretches, over all channels. */
void extremes(const float *planes, place apart, place channels, place stretch, place stretches, float *restrict lows,
              float *restrict highs)
{
    for (place number = 0; number < stretches; number++, planes += stretch) {
        float low[SIDE], high[SIDE];
        for (place j = 0; j < SIDE; j++)
            low[j] = high[j] = planes[0];
        for (place channel = 0; channel < channels; channel++) {
            const float *from = planes + channel * apart;
            place k = 0;
            for (; k + SIDE <= stretch; k += SIDE)
                for (place j = 0; j < SIDE; j++) {
                    low[j] = from[k + j] < low[j] ? from[k + j] : low[j];
                    high[j] = from[k + j] > high[j] ? from[k + j] : high[j];
                }
            for (; k < stretch; k++) {
                low[0] = from[k] < low[0] ? from[k] : low[0];
                high[0] = from[k] > high[0] ? from[k] : high[0];
            }
        }
        for (place j = 1; j < SIDE; j++) {
            low[0] = low[j] < low[0] ? low[j] : low[0];
            high[0] = high[j] > high[0] ? high[j] : high[0];
        }
        lows[number] = low[0];
        highs[number] = high[0];
    }
}

/* mixture and source in whole numbers of 1 / scale, and what the first has more than the second.

   limits: the lowest and the highest number of all three. error: the sum of the squares of what both parts together,
   as samples again, differ by from the mixture. */
void split_whole(const float *restrict mixture, const float *restrict source, place count, float scale,
                 float *restrict whole, float *restrict part, float *restrict rest, float *restrict limits,
                 double *restrict error)
{
    float low[SIDE] = {0}, high[SIDE] = {0}, step = 1 / scale;
    double sums[SIDE] = {0};
    for (place first = 0; first < count; first += SIDE) {
        place some = smaller(SIDE, count - first);
        for (place j = 0; j < some; j++) {
            place k = first + j;
            float a = rounded(mixture[k] * scale), b = rounded(source[k] * scale), c = a - b;
            whole[k] = a;
            part[k] = b;
            rest[k] = c;
            low[j] = a < low[j] ? a : low[j];
            low[j] = b < low[j] ? b : low[j];
            low[j] = c < low[j] ? c : low[j];
            high[j] = a > high[j] ? a : high[j];
            high[j] = b > high[j] ? b : high[j];
            high[j] = c > high[j] ? c : high[j];
            float off = (b * step + c * step) - mixture[k];
            sums[j] += (double)off * off;
        }
    }
    for (place j = 1; j < SIDE; j++) {
        low[0] = low[j] < low[0] ? low[j] : low[0];
        high[0] = high[j] > high[0] ? high[j] : high[0];
        sums[0] += sums[j];
    }
    limits[0] = low[0];
    limits[1] = high[0];
    *error = sums[0];
}

/* Planes of whole numbers as 16-bit audio, (count, channels). */
void interleave_16(const float *restrict planes, place apart, place channels, place count, int16_t *restrict frames)
{
    if (channels == 2)
        for (place k = 0; k < count; k++) {
            frames[2 * k] = (int16_t)planes[k];
            frames[2 * k + 1] = (int16_t)planes[apart + k];
        }
    else
        for (place channel = 0; channel < channels; channel++)
            for (place k = 0; k < count; k++)
                frames[k * channels + channel] = (int16_t)planes[channel * apart + k];
}

/* The same as 32-bit audio that holds 24 bits, in its upper ones. */
void interleave_24(const float *restrict planes, place apart, place channels, place count, int32_t *restrict frames)
{
    for (place channel = 0; channel < channels; channel++)
        for (place k = 0; k < count; k++)
            frames[k * channels + channel] = (int32_t)planes[channel * apart + k] * 256;
}
