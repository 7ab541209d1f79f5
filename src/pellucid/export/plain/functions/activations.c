/* Activations. x and y may be the same array. */

#include <math.h>

/* y = max(x, 0). */
static void relu(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

/* y = x, limited to 0 ... 6. */
static void relu6(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 6.0f ? 6.0f : x[i] > 0.0f ? x[i] : 0.0f;
}

/* y = x where x is positive, else slope x. */
static void leaky_relu(const float *x, float *y, int n, float slope)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

/* y = x where x is positive, else slope x, with one slope for each channel. */
static void prelu(const float *x, float *y, const float *slope, int rows, int channels)
{
    for (int row = 0; row < rows; row++, x += channels, y += channels)
        for (int c = 0; c < channels; c++)
            y[c] = x[c] > 0.0f ? x[c] : slope[c] * x[c];
}

/* y = scale x where x is positive, else scale alpha (exp(x) - 1). */
static void elu(const float *x, float *y, int n, float alpha, float scale)
{
    for (int i = 0; i < n; i++)
        y[i] = scale * (x[i] > 0.0f ? x[i] : alpha * expm1f(x[i]));
}

/* 1 / (1 + exp(-x)), in a form that cannot overflow. */
static float sigmoid_of(float x)
{
    const float e = expf(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* log(1 + exp(x)), in a form that cannot overflow. */
static float softplus_of(float x)
{
    return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

/* (x + 3) / 6, limited to 0 ... 1. */
static float hard_sigmoid_of(float x)
{
    return x >= 3.0f ? 1.0f : x <= -3.0f ? 0.0f : (x + 3.0f) / 6.0f;
}

/* y = 1 / (1 + exp(-x)). */
static void sigmoid(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = sigmoid_of(x[i]);
}

/* y = (x + 3) / 6, limited to 0 ... 1. */
static void hard_sigmoid(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = hard_sigmoid_of(x[i]);
}

/* y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)). */
static void tanh_activation(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = tanhf(x[i]);
}

/* y = exp(x). */
static void exponential(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = expf(x[i]);
}

/* y = log(1 + exp(x)). */
static void softplus(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = softplus_of(x[i]);
}

/* y = x / (1 + exp(-x)). */
static void silu(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * sigmoid_of(x[i]);
}

/* y = a v / (1 + exp(-a)) for each of the rows of x, with (a, v) = x W + b; the scratch has space for 2 units numbers. */
static void swiglu(const float *x, float *y, const float *W, const float *b, float *scratch, int rows, int inputs, int units)
{
    for (int row = 0; row < rows; row++, x += inputs, y += units) {
        dense(x, scratch, W, b, 1, inputs, 2 * units);
        for (int i = 0; i < units; i++)
            y[i] = scratch[i] * sigmoid_of(scratch[i]) * scratch[units + i];
    }
}

/* y = x (x + 3) / 6, with the factor (x + 3) / 6 limited to 0 ... 1. */
static void hard_swish(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * hard_sigmoid_of(x[i]);
}

/* y = x tanh(log(1 + exp(x))). */
static void mish(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i] * tanhf(softplus_of(x[i]));
}

/* y = x P(Z <= x) for Z from the standard normal distribution. */
static void gelu(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = 0.5f * x[i] * erfcf(-0.70710678f * x[i]);
}

/* y = x P(Z <= x), with an approximation of the probability by a function of tanh. */
static void gelu_approximation(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++) {
        const float u = 0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        y[i] = x[i] * sigmoid_of(2.0f * u);
    }
}

/* y = exp(x) / sum of exp(x) in each row. The maximum is subtracted first, so that nothing overflows. */
static void softmax(const float *x, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float largest = x[0], sum = 0.0f;
        for (int i = 1; i < width; i++)
            largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < width; i++) {
            y[i] = expf(x[i] - largest);
            sum += y[i];
        }
        for (int i = 0; i < width; i++)
            y[i] /= sum;
    }
}

/* y = x - log(sum of exp(x)) in each row. */
static void log_softmax(const float *x, float *y, int rows, int width)
{
    for (int row = 0; row < rows; row++, x += width, y += width) {
        float largest = x[0], sum = 0.0f;
        for (int i = 1; i < width; i++)
            largest = x[i] > largest ? x[i] : largest;
        for (int i = 0; i < width; i++)
            sum += expf(x[i] - largest);
        const float shift = largest + logf(sum);
        for (int i = 0; i < width; i++)
            y[i] = x[i] - shift;
    }
}
