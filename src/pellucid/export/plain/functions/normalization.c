/* Normalization. x and y may be the same array. */

#include <math.h>

/* y = (x - center) scale + offset, with one number of each for every channel. */
static void scale_channels(const float *x, float *y, const float *center, const float *scale, const float *offset, int rows, int channels)
{
    for (int row = 0; row < rows; row++, x += channels, y += channels)
        for (int c = 0; c < channels; c++)
            y[c] = (x[c] - center[c]) * scale[c] + offset[c];
}

/* Normalizes each row to mean 0 and variance 1, then y = that gamma + beta. */
static void layer_norm(const float *x, float *y, const float *gamma, const float *beta, int rows, int width, float epsilon)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float mean = 0.0f, variance = 0.0f;
        for (int i = 0; i < width; i++)
            mean += x[i];
        mean /= (float)width;
        for (int i = 0; i < width; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        const float factor = 1.0f / sqrtf(variance / (float)width + epsilon);
        for (int i = 0; i < width; i++)
            y[i] = (x[i] - mean) * factor * gamma[i] + beta[i];
    }
}

/* y = x gamma / sqrt(mean of x^2) for each row. */
static void rms_norm(const float *x, float *y, const float *gamma, int rows, int width, float epsilon)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float squares = 0.0f;
        for (int i = 0; i < width; i++)
            squares += x[i] * x[i];
        const float factor = 1.0f / sqrtf(squares / (float)width + epsilon);
        for (int i = 0; i < width; i++)
            y[i] = x[i] * factor * gamma[i];
    }
}

/* Normalizes each group of neighbouring channels, over all positions, to mean 0 and variance 1, then y = that gamma + beta. */
static void group_norm(const float *x, float *y, const float *gamma, const float *beta, int positions, int channels, int groups, float epsilon)
{
    const int width = channels / groups;
    for (int first = 0; first < channels; first += width) {
        float mean = 0.0f, variance = 0.0f;
        for (int p = 0; p < positions; p++)
            for (int c = first; c < first + width; c++)
                mean += x[p * channels + c];
        mean /= (float)(positions * width);
        for (int p = 0; p < positions; p++)
            for (int c = first; c < first + width; c++)
                variance += (x[p * channels + c] - mean) * (x[p * channels + c] - mean);
        const float factor = 1.0f / sqrtf(variance / (float)(positions * width) + epsilon);
        for (int p = 0; p < positions; p++)
            for (int c = first; c < first + width; c++)
                y[p * channels + c] = (x[p * channels + c] - mean) * factor * gamma[c] + beta[c];
    }
}
