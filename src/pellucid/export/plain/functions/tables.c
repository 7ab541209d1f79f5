/* Layers for tables. */

#include <math.h>

/* y (features, waves) = cos(2 pi (f x + phase)) for the frequencies f and phases of each feature, in turns. */
static void periodic(const float *x, float *y, const float *frequencies, const float *phases, int features, int waves)
{
    for (int i = 0; i < features * waves; i++) {
        const float turns = frequencies[i] * x[i / waves] + phases[i];
        y[i] = cosf(6.2831853f * (turns - floorf(turns + 0.5f)));
    }
}

/* y = (x - start) factor for each of the bins of the features, limited to low ... high. */
static void bin_fractions(const float *x, float *y, const float *features, const float *lines, int bins)
{
    for (int b = 0; b < bins; b++) {
        const float value = (x[(int)features[b]] - lines[b]) * lines[bins + b];
        const float low = lines[2 * bins + b], high = lines[3 * bins + b];
        y[b] = value < low ? low : value > high ? high : value;
    }
}

/* y = x W + b with W (inputs, outputs) and b (outputs) of its own at each of the positions. */
static void dense_per_position(const float *x, float *y, const float *W, const float *b, int positions, int inputs, int outputs)
{
    for (int position = 0; position < positions; position++, x += inputs, y += outputs, b += outputs, W += inputs * outputs)
        dense(x, y, W, b, 1, inputs, outputs);
}

/* y = x + w (y - x), with a weight w for each channel: y holds an activation of x. */
static void mix(const float *x, float *y, const float *weight, int rows, int channels)
{
    for (int i = 0; i < rows * channels; i++)
        y[i] = x[i] + weight[i % channels] * (y[i] - x[i]);
}
