/* Loops over spectra, each of which NumPy would go through in many passes: magnitudes, overlap-add, and the sums and
   products of the Wiener filter (estimates.py, where the formulas have their sources).

   Complex numbers are pairs of floats; distances between frames and channels count complex numbers, those of gains
   floats, and may be 0 for what all share. Nothing is checked and nothing is allocated. Plain C, so that one source
   serves processors with and without AVX; sums are taken in one order, so the same input gives the same bits. */

#include <stdint.h>

#define CHUNK 64 /* bins whose sums are taken side by side */

typedef int64_t place;

static inline place smaller(place a, place b) { return a < b ? a : b; }

/* The magnitudes (frames, channels, bins). */
void magnitudes(const float *restrict spectra, place frame, place channel, place frames, place channels, place bins,
                float *restrict answer)
{
    for (place number = 0; number < frames; number++)
        for (place side = 0; side < channels; side++, answer += bins) {
            const float *from = spectra + 2 * (number * frame + side * channel);
            for (place k = 0; k < bins; k++)
                answer[k] = __builtin_sqrtf(from[2 * k] * from[2 * k] + from[2 * k + 1] * from[2 * k + 1]);
        }
}

/* Every frame of the samples (channels, n), size of them from hop to hop, times the window: (frames, channels, size). */
void windowed(const float *restrict samples, place apart, place frames, place channels, place size, place hop,
              const float *restrict window, float *restrict answer)
{
    for (place frame = 0; frame < frames; frame++)
        for (place channel = 0; channel < channels; channel++, answer += size) {
            const float *from = samples + channel * apart + frame * hop;
            for (place k = 0; k < size; k++)
                answer[k] = from[k] * window[k];
        }
}

/* Windows the segments (frames, channels, size) and adds them, hop samples apart, to sums (channels, size), which hold
   what the frames before left there; gives out the samples that no later frame touches, (frames * hop, channels). */
void overlap_add(const float *restrict segments, place frames, place channels, place size, place hop,
                 const float *restrict window, float *restrict sums, float *restrict answer)
{
    for (place frame = 0; frame < frames; frame++, answer += hop * channels)
        for (place channel = 0; channel < channels; channel++, segments += size) {
            float *restrict sum = sums + channel * size;
            /* The oldest frame first, always: a sum of floats depends on their order. */
            for (place k = 0; k < hop; k++)
                answer[k * channels + channel] = sum[k] + window[k] * segments[k];
            for (place k = hop; k < size; k++)
                sum[k - hop] = sum[k] + window[k] * segments[k];
            for (place k = size - hop; k < size; k++)
                sum[k] = 0;
        }
}

/* Adds to sums (4, bins), over all frames, of the source that is gain times the mixture: the power on the left, that on
   the right, and real and imaginary part of left times the conjugate of right. */
void add_covariances(const float *restrict mixture, place frame, place channel, place frames, place bins,
                     const float *restrict gains, place gains_frame, place gains_channel, double *restrict sums)
{
    for (place first = 0; first < bins; first += CHUNK) {
        place count = smaller(CHUNK, bins - first);
        float lefts[CHUNK] = {0}, rights[CHUNK] = {0}, reals[CHUNK] = {0}, imaginaries[CHUNK] = {0};
        for (place number = 0; number < frames; number++) {
            const float *left = mixture + 2 * (number * frame + first), *right = left + 2 * channel;
            const float *gain_left = gains + number * gains_frame + first, *gain_right = gain_left + gains_channel;
            for (place k = 0; k < count; k++) {
                float a = left[2 * k] * gain_left[k], b = left[2 * k + 1] * gain_left[k];
                float c = right[2 * k] * gain_right[k], d = right[2 * k + 1] * gain_right[k];
                lefts[k] += a * a + b * b;
                rights[k] += c * c + d * d;
                reals[k] += a * c + b * d;
                imaginaries[k] += b * c - a * d;
            }
        }
        for (place k = 0; k < count; k++) {
            sums[first + k] += lefts[k];
            sums[bins + first + k] += rights[k];
            sums[2 * bins + first + k] += reals[k];
            sums[3 * bins + first + k] += imaginaries[k];
        }
    }
}

/* The power, summed over both channels, of gain times the mixture and of the rest of it: own and rest, (frames, bins). */
void divided_powers(const float *restrict mixture, place frame, place channel, place frames, place bins,
                    const float *restrict gains, place gains_frame, place gains_channel, float *restrict own,
                    float *restrict rest)
{
    for (place number = 0; number < frames; number++, own += bins, rest += bins) {
        const float *left = mixture + 2 * number * frame, *right = left + 2 * channel;
        const float *gain_left = gains + number * gains_frame, *gain_right = gain_left + gains_channel;
        for (place k = 0; k < bins; k++) {
            float power_left = left[2 * k] * left[2 * k] + left[2 * k + 1] * left[2 * k + 1];
            float power_right = right[2 * k] * right[2 * k] + right[2 * k + 1] * right[2 * k + 1];
            float g = gain_left[k], h = gain_right[k];
            own[k] = g * g * power_left + h * h * power_right;
            rest[k] = (1 - g) * (1 - g) * power_left + (1 - h) * (1 - h) * power_right;
        }
    }
}

/* answer = gain * answer + share * the filtered mixture, for the two channels of every frame.

   own, rest: powers of the wanted source and of the other one, (frames, bins). covariances (2, 4, bins): of both, left
   with left, right with right, and left with right, real and imaginary part. What a bin's noise without direction has
   is regularisation * (own + rest) + least. answer, laid out as the mixture, may be the mixture itself. */
void add_filtered(const float *mixture, place frame, place channel, place frames, place bins, const float *restrict own,
                  const float *restrict rest, const float *restrict covariances, float regularisation, float least,
                  const float *restrict gains, place gains_frame, place gains_channel, float share, float *answer)
{
    const float *own_left = covariances, *own_right = own_left + bins, *own_real = own_right + bins;
    const float *own_imaginary = own_real + bins, *rest_left = own_imaginary + bins, *rest_right = rest_left + bins;
    const float *rest_real = rest_right + bins, *rest_imaginary = rest_real + bins;
    for (place number = 0; number < frames; number++, own += bins, rest += bins) {
        const float *left = mixture + 2 * number * frame, *right = left + 2 * channel;
        const float *gain_left = gains + number * gains_frame, *gain_right = gain_left + gains_channel;
        float *to_left = answer + 2 * number * frame, *to_right = to_left + 2 * channel;
#pragma clang loop vectorize(assume_safety)
        for (place k = 0; k < bins; k++) {
            float noise = regularisation * (own[k] + rest[k]) + least;
            float a = own[k] * own_left[k] + rest[k] * rest_left[k] + noise;
            float d = own[k] * own_right[k] + rest[k] * rest_right[k] + noise;
            float b = own[k] * own_real[k] + rest[k] * rest_real[k];
            float c = own[k] * own_imaginary[k] + rest[k] * rest_imaginary[k];
            float scale = share * own[k] / (a * d - (b * b + c * c));
            float p = left[2 * k], q = left[2 * k + 1], r = right[2 * k], s = right[2 * k + 1];
            float u = (d * p - (b * r - c * s)) * scale, v = (d * q - (b * s + c * r)) * scale;
            float w = (a * r - (b * p + c * q)) * scale, x = (a * s - (b * q - c * p)) * scale;
            float e = own_left[k], f = own_right[k], g = own_real[k], h = own_imaginary[k];
            to_left[2 * k] = gain_left[k] * to_left[2 * k] + (e * u + g * w - h * x);
            to_left[2 * k + 1] = gain_left[k] * to_left[2 * k + 1] + (e * v + g * x + h * w);
            to_right[2 * k] = gain_right[k] * to_right[2 * k] + (f * w + g * u + h * v);
            to_right[2 * k + 1] = gain_right[k] * to_right[2 * k + 1] + (f * x + g * v - h * u);
        }
    }
}

/* Of every frame the power of the mixture and that of the source which a mask of squared fractions leaves of it.

   mixture (2, frames, bins); fractions (stems, 1 or 2, frames, bins): stems stem_distance apart, channels channel apart,
   which may be 0; stem is the source. least keeps 0 / 0 out. */
void frame_powers(const float *restrict mixture, place frames, place bins, const float *restrict fractions, place stems,
                  place stem_distance, place channel, place stem, float least, double *restrict own, double *restrict all)
{
    for (place number = 0; number < frames; number++) {
        float sources[CHUNK] = {0}, wholes[CHUNK] = {0};
        for (place side = 0; side < 2; side++)
            for (place first = 0; first < bins; first += CHUNK) {
                place count = smaller(CHUNK, bins - first);
                const float *magnitude = mixture + (side * frames + number) * bins + first;
                const float *fraction = fractions + side * channel + number * bins + first;
                const float *wanted = fraction + stem * stem_distance;
                float totals[CHUNK];
                for (place k = 0; k < count; k++)
                    totals[k] = least;
                for (place other = 0; other < stems; other++)
                    for (place k = 0; k < count; k++)
                        totals[k] += fraction[other * stem_distance + k] * fraction[other * stem_distance + k];
                for (place k = 0; k < count; k++) {
                    float source = magnitude[k] * wanted[k] * wanted[k] / totals[k];
                    sources[k] += source * source;
                    wholes[k] += magnitude[k] * magnitude[k];
                }
            }
        own[number] = all[number] = 0;
        for (place k = 0; k < CHUNK; k++) {
            own[number] += sources[k];
            all[number] += wholes[k];
        }
    }
}

/* Of every line of numbers the weighted sums of those at the given places: answer[k] = sum of weights[term, k] *
   line[places[term, k]] over all terms; places and weights are (terms, count). */
void interpolate(const float *restrict numbers, place lines, place width, const int32_t *restrict places,
                 const float *restrict weights, place terms, place count, float *restrict answer)
{
    for (place line = 0; line < lines; line++, numbers += width, answer += count)
        for (place k = 0; k < count; k++) {
            float sum = 0;
            for (place term = 0; term < terms; term++)
                sum += weights[term * count + k] * numbers[places[term * count + k]];
            answer[k] = sum;
        }
}
